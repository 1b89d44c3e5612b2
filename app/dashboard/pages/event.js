// One event: its readings, what every version said of it, what people said, and its way.

import { get, patch, post, text } from "../api.js";
import { Borders } from "../borders.js";
import { choices, NOTHING } from "../choices.js";
import { ask, chip, classOf } from "../events.js";
import { probabilitiesOf } from "../probabilities.js";
import { Why } from "../why.js";
import { WindowView } from "../window.js";
import { atClock, atDay, button, lasted, make, number, percent, sentence, toast } from "../words.js";
import { trail } from "./events.js";

const CSV = "text/csv";

export function openEvent(place, { parts: [id] }, session) {
  const page = new EventPage(place, id, session);
  session.guarded(() => page.load());
  return page;
}

class EventPage {
  constructor(place, id, session) {
    this.id = id;
    this.session = session;
    this.title = make("h2", "", "Event");
    this.title.tabIndex = -1;
    this.about = make("p", "note");
    const [older, newer] = [this.neighbour(1), this.neighbour(-1)];
    const back = make("a", "back", "← Events");
    back.href = trail.query ? `#/events?${trail.query}` : "#/events";
    this.canvas = make("canvas", "window");
    this.canvas.setAttribute("role", "img");
    this.canvas.tabIndex = 0;
    this.view = new WindowView(this.canvas);
    this.borders = new Borders(this.view, (move) => session.guarded(() => this.move(move)));
    this.why = new Why(this.view);
    this.said = make("div", "said");
    this.versions = make("p", "note versions");
    this.choices = make("div", "desk-choices");
    this.choices.setAttribute("role", "group");
    this.choices.setAttribute("aria-label", "What is it?");
    this.history = make("ol", "steps");
    this.way = make("ol", "steps");
    this.facts = make("dl", "facts-list");
    const csv = button("Readings as CSV", () => session.guarded(() => this.download()), "quiet");
    const again = make("a", "again", "Ask about it by hand");
    again.href = `#/ask?event=${id}`;
    const card = (title, ...children) => make("section", "card", make("h3", "", title), ...children);
    const [toOlder, toNewer] = [["Older ", "j", older], ["Newer ", "k", newer]].map(([name, key, to]) => {
      const made = button(name, () => go(to), "quiet");
      made.append(make("kbd", "", key));
      made.disabled = !to;
      return made;
    });
    place.replaceChildren(
      make("div", "place-head", back, this.title, this.about, make("span", "pair", toNewer, toOlder)),
      make("section", "card", make("div", "stage", this.canvas, this.borders.node), this.borders.foot),
      make("div", "thirds of-event",
        card("Prediction", this.said, this.versions),
        card("Label", this.choices, this.history),
        make("section", "card", make("h3", "", "Its way"), this.way, this.facts, make("div", "job-line", csv, again)),
        this.why.node),
    );
    this.keys = new Map([
      ["j", () => go(older)], ["k", () => go(newer)], ["u", () => back.click()], ["n", () => this.label(NOTHING)],
      ["o", () => ask((label) => this.label(label))], ["z", () => this.label("")],
      ...[..."123456789"].map((key, i) => [key, () => this.choices.querySelectorAll(".choice")[i]?.click()]),
    ]);
  }

  neighbour(by) {
    const at = trail.ids.indexOf(this.id);
    return at < 0 ? undefined : trail.ids[at + by];
  }

  async load() {
    const [event, shown, trace] = await Promise.all([
      get(`/events/${this.id}`), get(`/events/${this.id}/window`), get(`/events/${this.id}/trace`),
    ]);
    if (this.closed) return;
    this.event = event;
    document.title = `${event.device}, ${atClock(event.onset)} · Onset`;
    this.title.textContent = event.device;
    this.about.textContent = `${atDay(event.onset)} · ${lasted(event)}`;
    this.view.show(shown, classOf(event));
    this.borders.show(event);
    const names = shown.channels.map(({ name, unit }) => (unit === "1" ? name : `${name} (${unit})`));
    this.canvas.setAttribute("aria-label", `Readings of ${names.join(", ")}; the event lasts ${lasted(event)}. Left and right look at single readings.`);
    this.showPredictions(event);
    this.showLabels(event);
    this.showWay(event, trace.steps);
  }

  showPredictions({ predictions, label }, chosen = null) {
    const said = chosen ?? predictions.find((one) => one.first) ?? predictions[0];
    this.session.guarded(() => this.why.show(this.id, said?.model_version ?? null));
    if (!said) {
      this.said.replaceChildren(make("p", "empty", "No model has said anything of it yet."));
      return;
    }
    this.said.replaceChildren(make("p", "verdict", chip({ prediction: said, label })), probabilitiesOf(said, label?.label));
    if (!Object.keys(said.probabilities).length) this.said.append(make("p", "note", "Of this prediction no more was kept (ONSET_PREDICTION_LOG)."));
    if (said.unknown) this.said.append(make("p", "note", "No class was credible enough: it was answered as unknown."));
    this.versions.replaceChildren(...predictions.map((one) => {
      const pick = button(`v${one.model_version}${one.first ? ", answered" : ""}`, () => this.showPredictions(this.event, one), "quiet");
      pick.setAttribute("aria-pressed", String(one === said));
      pick.title = `${one.label} ${percent(one.probability)}, ${atDay(one.at)}`;
      return pick;
    }));
  }

  showLabels(event) {
    const classes = new Set(this.session.profile.classes);
    if (event.prediction) classes.add(event.prediction.label);
    if (event.label) classes.add(event.label.label);
    const buttons = choices(classes, event, (name) => this.label(name));
    for (const [i, name] of [...classes].filter((one) => one !== NOTHING).entries()) {
      buttons[i].setAttribute("aria-pressed", String(name === event.label?.label));
    }
    const nothing = button(" not an event", () => this.label(NOTHING), "quiet");
    nothing.prepend(make("kbd", "", "n"));
    nothing.setAttribute("aria-pressed", String(event.label?.label === NOTHING));
    const other = button(" other …", () => ask((label) => this.label(label)), "quiet");
    other.prepend(make("kbd", "", "o"));
    const withdraw = button(" withdraw", () => this.label(""), "quiet");
    withdraw.prepend(make("kbd", "", "z"));
    withdraw.disabled = !event.label;
    this.choices.replaceChildren(...buttons, nothing, other, withdraw);
    const told = [...event.labels].reverse();
    this.history.replaceChildren(...told.map((one, i) => step(one.at,
      make("b", i || !one.label ? "old" : "", one.label || "withdrawn"), ` by ${one.by}`)));
    if (!told.length) this.history.replaceChildren(make("li", "empty", "Nobody has said what it is."));
  }

  showWay(event, steps) {
    this.way.replaceChildren(...steps.map(({ step: name, at, facts }) => step(at, make("b", "", sentence(name)), ` ${inWords(name, facts)}`)));
    const facts = [
      ["Stream", event.boot], ["Readings", `${number(event.onset_seq)} … ${number(event.offset_seq - 1)}`],
      ["Peak", number(event.peak)], ["Detector", event.detector_version ? `version ${event.detector_version}` : "none"],
      ["Flags", event.flags.join(", ") || "none"], ["Id", event.id],
    ];
    this.facts.replaceChildren(...facts.map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value))));
  }

  async label(said) {
    if (!this.event || this.busy) return;
    this.busy = true;
    await this.session.guarded(async () => {
      const told = await post(`/events/${this.id}/labels`, { label: said });
      this.session.labelled(this.id, told.label ? told : null);
      await this.load();
    });
    this.busy = false;
  }

  /** Say where it really begins or ends. */
  async move(borders) {
    await patch(`/events/${this.id}`, borders);
    await this.load();
    toast("The borders are moved.", { good: true });
  }

  async download() {
    const file = new Blob([await text(`/events/${this.id}/window`, CSV)], { type: CSV });
    const link = make("a");
    link.href = URL.createObjectURL(file);
    link.download = `${this.event.device}-${this.event.onset_seq}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  heard(kind, data) {
    const mine = data.event === this.id && (kind === "label" || (kind === "prediction" && !data.provisional));
    if (mine && !this.busy) this.session.guarded(() => this.load());
  }

  close() {
    this.closed = true;
    this.view.close();
  }
}

const go = (id) => { if (id) location.hash = `#/events/${id}`; };

function step(at, ...said) {
  const when = make("time", "", atClock(at));
  when.title = atDay(at);
  return make("li", "", when, make("span", "", ...said));
}

function inWords(name, facts) {
  if (name === "onset" || name === "offset") return `at reading ${number(facts.seq)}`;
  if (name === "predicted") return `${facts.label} ${percent(facts.probability)} by v${facts.model_version}${facts.answered ? ", answered" : ""}`;
  if (name === "labelled") return `${facts.label || "withdrawn"} by ${facts.by}`;
  if (name === "moved") return `by ${facts.by}; it was ${number(facts.onset_seq)} … ${number(facts.offset_seq - 1)}`;
  return "";
}
