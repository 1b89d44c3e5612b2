// What nearly was an event: a picture each, and one key to say that it was one.

import { get, post } from "./api.js";
import { button, make, number, percent, toast } from "./words.js";
import { WindowView } from "./window.js";

const MOST = 40;
const AROUND_SECONDS = 2;
const MOST_VALUES = 100_000;

export class Nears {
  constructor(session, added) {
    this.session = session;
    this.added = added;
    this.views = [];
    this.list = make("ol", "nears");
    this.note = make("p", "note");
    this.empty = make("p", "empty", "Nothing came near. A stream remembers its eight newest since its last gap.");
    this.node = make("div", "", this.note, this.list, this.empty);
    this.seen = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        this.seen.unobserve(target);
        this.session.guarded(() => target.look());
      }
    }, { rootMargin: "200px" });
  }

  close() {
    this.seen.disconnect();
    for (const view of this.views) view.close();
    this.views = [];
    this.closed = true;
  }

  show(items, seen) {
    const focused = this.index;
    this.seen.disconnect();
    for (const view of this.views) view.close();
    this.views = [];
    const shown = items.slice(0, MOST);
    this.empty.hidden = shown.length > 0;
    this.note.hidden = !shown.length;
    const more = items.length > MOST ? ` The newest ${MOST} of ${number(items.length)}.` : "";
    const found = seen?.recall != null ? ` As far as they were looked at, ${percent(seen.recall)} of the events are found (${percent(seen.low)} to ${percent(seen.high)}), of those that came near.` : "";
    this.note.textContent = `A score of 100 % was loud enough, but too short.${found}${more}`;
    this.list.replaceChildren(...shown.map((near, i) => this.line(near, i)));
    if (focused >= 0) this.list.children[Math.min(focused, shown.length - 1)]?.focus();
  }

  line(near, index) {
    const canvas = make("canvas", "window");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Readings ${near.onset_seq} to ${near.offset_seq} of ${near.device}, and what lies around them`);
    const place = make("div", "near-picture", canvas);
    const about = make("p", "", make("b", "", percent(near.score)), ` ${near.device}`,
      make("small", "", `readings ${number(near.onset_seq)} to ${number(near.offset_seq - 1)}, detector v${near.detector_version}`));
    const acts = make("div", "desk-choices near-acts");
    const item = make("li", "near", place, make("div", "", about, acts));
    item.tabIndex = index ? -1 : 0;
    item.near = near;
    item.setAttribute("aria-label", `Near miss of ${near.device}, score ${percent(near.score)}`);
    item.addEventListener("focus", () => this.rove(item));
    if (near.event) {
      const link = make("a", "", "is kept as an event by now");
      link.href = `#/events/${near.event}`;
      acts.append(link);
    } else {
      const one = button("It was one ", () => this.add(item), "quiet");
      one.append(make("kbd", "", "y"));
      const none = button("It was nothing ", () => this.add(item, "nothing"), "quiet");
      none.append(make("kbd", "", "n"));
      acts.append(one, none, ...this.session.profile.classes.slice(0, 9).map((name, i) => {
        const pick = button("", () => this.add(item, name), "quiet choice");
        pick.append(make("kbd", "", String(i + 1)), ` ${name}`);
        return pick;
      }));
    }
    item.look = () => this.look(item, canvas, place, acts);
    this.seen.observe(item);
    return item;
  }

  async look({ near }, canvas, place, acts) {
    const { rate_hz: rate, channels } = this.session.profile;
    const around = Math.round(AROUND_SECONDS * rate);
    const first = Math.max(1, near.onset_seq - around);
    const most = Math.floor(MOST_VALUES / channels.length);
    const asked = { boot: near.boot, first_seq: first, next_seq: Math.min(near.offset_seq + around, first + most) };
    const found = await get(`/devices/${encodeURIComponent(near.device)}/readings`, asked);
    if (this.closed || !canvas.isConnected) return;
    const piece = found.pieces.find((one) => one.first_seq <= near.onset_seq && near.onset_seq < one.first_seq + one.values.length);
    if (!piece) {
      place.replaceChildren(make("p", "empty", "Not recorded: a profile keeps readings with record: true."));
      for (const one of acts.querySelectorAll("button")) one.disabled = true;
      return;
    }
    const view = new WindowView(canvas);
    this.views.push(view);
    const after = piece.first_seq + piece.values.length;
    view.show({
      values: piece.values, channels: found.channels, rate_hz: found.rate_hz,
      pre_roll: near.onset_seq - piece.first_seq, post_roll: Math.max(0, after - near.offset_seq),
    });
    canvas.dataset.shown = "yes";
  }

  /** It was an event after all, of a class or of none yet. */
  async add({ near }, label) {
    if (near.event) return;
    const { device, boot, onset_seq, offset_seq } = near;
    const body = { device, boot, onset_seq, offset_seq, ...(label ? { label } : {}) };
    await this.session.guarded(async () => {
      await post("/events", body);
      toast(label ? `It is kept as ${label}.` : "It is an event now.", { good: true });
      await this.added();
    });
  }

  get index() { return [...this.list.children].indexOf(document.activeElement?.closest(".near")); }

  /** One of the list is reached by Tab, the others by the arrows. */
  rove(item) {
    for (const one of this.list.children) one.tabIndex = one === item ? 0 : -1;
  }

  /** The first or the next one gets the keys. */
  step(by = 1) {
    const { index } = this;
    const next = this.list.children[index < 0 ? 0 : index + by];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }

  /** What a key says of the one that has the keys. */
  say(key) {
    const item = this.list.children[this.index];
    if (!item) {
      toast("m goes to the near misses: a key says of one that it was an event.");
      return;
    }
    if (key === "y") this.add(item);
    else if (key === "n") this.add(item, "nothing");
    else item.querySelectorAll(".choice")[Number(key) - 1]?.click();
  }
}
