// What the events of a range of time were: by the hour, by label, by probability.

import { get } from "./api.js";
import { hueOf } from "./colour.js";
import { atDay, make, number, percent, shortly, shortlyToTheMinute } from "./words.js";

const DAY_MS = 86_400_000;
const MOST_MS = 31 * DAY_MS;
const MOST_LABELS = 8;

/** The range that is counted: what the filters say, at most 31 days, or the last day. */
export function rangeOf(query) {
  const time = (name) => (query.get(name) ? new Date(query.get(name)).getTime() : null);
  const until = time("until") ?? Math.max(Date.now(), (time("since") ?? 0) + 1);
  const since = time("since") ?? until - DAY_MS;
  return [Math.max(since, until - MOST_MS), until];
}

export class Counted {
  constructor(session, query) {
    this.session = session;
    this.query = query;
    this.head = make("summary", "", "Counts");
    this.body = make("div", "counts");
    this.node = make("details", "card", this.head, this.body);
    this.node.open = innerWidth > 600;
    this.node.addEventListener("toggle", () => this.load());
    this.load();
  }

  async load() {
    if (!this.node.open) return;
    const [since, until] = rangeOf(this.query);
    const profile = encodeURIComponent(this.session.profile.name);
    const asked = { since: new Date(since).toISOString(), until: new Date(until).toISOString() };
    const found = await this.session.guarded(() => this.session.ofProfile(`/profiles/${profile}/statistics`, asked));
    if (found) this.show(found);
  }

  show(found) {
    const { events, labelled, classified, since, until } = found;
    const range = this.query.get("since") || this.query.get("until") ? `${shortly(since)} to ${shortly(until)}` : "last 24 hours";
    this.head.textContent = `Counts, ${range}: ${number(events)} events, ${number(labelled)} labelled, ${number(classified)} with a prediction`;
    this.body.replaceChildren(
      chart("By the hour", found.hours.map(({ at, n }) => [n, `${atDay(at)}: ${number(n)} events`]),
        [shortlyToTheMinute(found.hours[0].at), shortlyToTheMinute(found.hours.at(-1).at)]),
      chart("By probability", found.probabilities.map((n, i, { length }) => [n, `${percent(i / length)} to ${percent((i + 1) / length)}: ${number(n)} predictions`]),
        ["0 %", "100 %"]),
      kinds("Predicted", found.predicted),
      kinds("Labelled", found.labels),
    );
  }
}

/** Bars; each is said in words where it stands, and all of them to readers of screens. */
function chart(title, values, [from, to]) {
  const most = Math.max(1, ...values.map(([n]) => n));
  const bars = make("div", "count-bars", ...values.map(([n, words]) => {
    const bar = make("span", n ? "" : "zero");
    bar.style.height = `${Math.max(n ? 4 : 0, (100 * n) / most)}%`;
    const slot = make("i", "", bar);
    slot.title = words;
    return slot;
  }));
  const highest = values.find(([n]) => n === most)?.[1] ?? "nothing";
  bars.setAttribute("role", "img");
  bars.setAttribute("aria-label", `${title}: most ${highest}`);
  const foot = make("p", "note count-foot", make("span", "", from), make("span", "", `at most ${number(Math.max(...values.map(([n]) => n)))}`), make("span", "", to));
  return make("div", "count", make("h3", "", title), bars, foot);
}

function kinds(title, counts) {
  const most = Math.max(1, ...counts.map(({ n }) => n));
  const shown = counts.slice(0, MOST_LABELS).map(({ label, n, unknown }) => {
    const share = make("span", "share");
    share.style.width = `${(100 * n) / most}%`;
    share.style.setProperty("--hue", hueOf(label));
    const item = make("li", "", make("span", "", label || "withdrawn"), make("span", "rail", share), make("b", "", number(n)));
    if (unknown) item.title = `${number(unknown)} of them unknown`;
    return item;
  });
  if (counts.length > MOST_LABELS) shown.push(make("li", "empty", `and ${number(counts.length - MOST_LABELS)} more`));
  if (!shown.length) shown.push(make("li", "empty", "None."));
  return make("div", "count", make("h3", "", title), make("ol", "probabilities", ...shown));
}
