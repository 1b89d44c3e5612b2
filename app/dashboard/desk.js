// The desk: one event at a time, labelled by keyboard; the service says which is next.

import { Away, get, post } from "./api.js";
import { colour, hueOf } from "./colour.js";
import { atClock, element, lasted, make, number, percent, toast } from "./words.js";

const AHEAD = 20; // events fetched at once
const NOTHING = "nothing"; // the label of what is no event
const MOST_LANES = 16;
const KEYS = "123456789";

export class Desk {
  /** `classes()` gives the names that are offered; `onLabel(event, label)` hears of each. */
  constructor(classes, onLabel) {
    this.classes = classes;
    this.onLabel = onLabel;
    this.dialog = element("desk");
    this.canvas = element("desk-window");
    this.dialog.addEventListener("keydown", (press) => this.press(press));
    this.dialog.addEventListener("close", () => { this.profile = null; });
    element("desk-close").addEventListener("click", () => this.dialog.close());
    element("desk-undo").addEventListener("click", () => this.undo());
    element("desk-skip").addEventListener("click", () => this.skip());
    element("desk-nothing").addEventListener("click", () => this.say(NOTHING));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  async open(profile) {
    this.profile = profile;
    this.waiting = []; // of the queue, best first
    this.asked = new Set(); // shown in this sitting: skipped ones do not come again
    this.done = []; // labelled in this sitting, newest last
    this.shown = null;
    this.busy = false;
    this.dialog.showModal();
    await this.next();
  }

  async next() {
    this.shown = null; // a key that comes too early means nothing
    if (!this.waiting.length) await this.fetch();
    const item = this.waiting.shift() ?? null;
    await this.show(item);
  }

  async fetch() {
    const profile = this.profile;
    const page = await this.guarded(() => get("/labels/queue", { profile, limit: AHEAD + this.skipped }));
    if (profile !== this.profile) return;
    this.waiting = (page?.items ?? []).filter(({ event }) => !this.asked.has(event.id)).slice(0, AHEAD);
  }

  /** How many that were passed over still stand in the queue. */
  get skipped() {
    return Math.min(80, this.asked.size - this.done.length);
  }

  async show(item) {
    this.shown = item;
    this.window = null;
    element("desk-count").textContent = `${this.done.length} labelled`;
    element("desk-undo").disabled = !this.done.length;
    element("desk-event").hidden = !item;
    element("desk-empty").hidden = Boolean(item);
    this.dialog.dataset.event = item?.event.id ?? "";
    this.dialog.dataset.onsetSeq = item?.event.onset_seq ?? "";
    if (!item) {
      element("desk-close").focus();
      return;
    }
    const { event, reason, audit } = item;
    this.asked.add(event.id);
    element("desk-what").textContent = `${event.device} · ${atClock(event.onset)} · ${lasted(event)}`;
    element("desk-why").textContent = reason;
    element("desk-why").classList.toggle("audit", audit);
    this.offer(event);
    const found = await this.guarded(() => get(`/events/${event.id}/window`));
    if (this.shown !== item || !found) return;
    this.window = found;
    this.draw();
  }

  /** A button a class, with the number that chooses it. */
  offer(event) {
    const names = [...this.classes()].filter((name) => name !== NOTHING);
    const said = event.prediction;
    const buttons = names.map((name, i) => {
      const button = make("button", "choice", make("span", "", name));
      button.type = "button";
      if (KEYS[i]) button.prepend(make("kbd", "", KEYS[i]));
      button.style.setProperty("--hue", hueOf(name));
      if (said?.label === name) button.append(make("small", "", said.unknown ? "?" : percent(said.probability)));
      button.classList.toggle("predicted", said?.label === name);
      button.addEventListener("click", () => this.say(name));
      return button;
    });
    element("desk-choices").replaceChildren(...buttons);
    (buttons.find((one) => one.classList.contains("predicted")) ?? buttons[0])?.focus();
  }

  press(press) {
    if (press.ctrlKey || press.metaKey || press.altKey || !this.shown) return;
    const key = press.key.toLowerCase();
    const at = KEYS.indexOf(key);
    const choice = at < 0 ? null : element("desk-choices").children[at];
    if (choice) choice.click();
    else if (key === "n") this.say(NOTHING);
    else if (key === "u") this.skip();
    else if (key === "z") this.undo();
    else return;
    press.preventDefault();
  }

  async say(label) {
    const item = this.shown;
    if (this.busy || !item) return;
    this.busy = true;
    const told = await this.guarded(() => post(`/events/${item.event.id}/labels`, { label }));
    this.busy = false;
    if (!told || this.shown !== item) return;
    this.done.push(item);
    this.onLabel(item.event, told);
    await this.next();
  }

  async skip() {
    if (!this.busy && this.shown) await this.next();
  }

  /** Withdraw the newest label, and show its event again. */
  async undo() {
    if (this.busy || !this.done.length) return;
    this.busy = true;
    const item = this.done.at(-1);
    const told = await this.guarded(() => post(`/events/${item.event.id}/labels`, { label: "" }));
    this.busy = false;
    if (!told) return;
    this.done.pop();
    if (this.shown) this.waiting.unshift(this.shown);
    this.onLabel(item.event, null);
    await this.show(item);
  }

  async guarded(work) {
    try {
      return await work();
    } catch (error) {
      toast(error instanceof Away ? "The service cannot be reached." : error.message);
      return undefined;
    }
  }

  /** Draw the window: a lane a channel, the event shaded between its borders. */
  draw() {
    const { canvas, window: shown } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const scale = globalThis.devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    if (!shown || width < 80) return;
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.font = "12px system-ui, sans-serif";
    const n = shown.values.length;
    const lanes = shown.channels.slice(0, MOST_LANES);
    const left = Math.min(width / 4, 12 + Math.max(...lanes.map(({ name }) => pen.measureText(name).width)));
    const x = (i) => left + (i / Math.max(n - 1, 1)) * (width - left);
    const foot = height - 18;
    const [begin, end] = [shown.pre_roll, n - shown.post_roll];
    pen.fillStyle = colour("--wash");
    pen.fillRect(x(begin), 0, x(end) - x(begin), foot);
    pen.fillStyle = colour("--accent");
    for (const at of [begin, end]) pen.fillRect(x(at) - 0.75, 0, 1.5, foot);
    const lane = foot / lanes.length;
    lanes.forEach(({ name }, c) => {
      const values = shown.values.map((reading) => reading[c]);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const middle = (c + 0.5) * lane;
      pen.fillStyle = colour("--soft");
      pen.fillText(name, 0, middle + 4, left - 8);
      pen.strokeStyle = colour("--trace");
      pen.beginPath();
      values.forEach((value, i) => {
        const y = middle - ((value - (low + high) / 2) / (high - low || 1)) * lane * 0.86;
        if (i) pen.lineTo(x(i), y);
        else pen.moveTo(x(i), y);
      });
      pen.stroke();
    });
    pen.fillStyle = colour("--soft");
    pen.fillText("onset", x(begin), height - 4);
    const seconds = `${number(Math.round((10 * (end - begin)) / shown.rate_hz) / 10)} s`;
    pen.fillText(seconds, Math.min(x(end), width - pen.measureText(seconds).width), height - 4);
  }
}
