// The wall: a tile for each device, and which one is looked at closely.

import { still } from "./flow.js";
import { Tile } from "./tile.js";
import { ago, element, number } from "./words.js";

export const MOST_TILES = 64;
const DRAW_MS = 30;
const STATE_MS = 500;
const TOLD_MS = 10_000; // how long it is said that frames were left out
const BUDGET_MS = 10; // what is not drawn by then is drawn in the next frame

export class Devices {
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.draws = 0;
    this.dropped = { frames: 0, at: -Infinity };
    this.shown = true;
    element("device").addEventListener("change", () => onChoose(element("device").value));
    element("devices").addEventListener("keydown", (press) => this.press(press));
    this.looked = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) if (target.tile) target.tile.seen = isIntersecting;
    }, { rootMargin: "60px" });
    this.sized = new ResizeObserver((entries) => {
      for (const { target } of entries) target.tile?.measure(devicePixelRatio || 1);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.repaint());
    this.clear();
    requestAnimationFrame((now) => this.frame(now));
    setInterval(() => this.showStates(), STATE_MS);
  }

  clear() {
    this.all = new Map(); // id -> the device as the service gave it
    this.tiles = new Map(); // id -> its tile
    this.chosen = null;
    this.turn = 0;
    this.arrange();
  }

  has(id) { return this.all.has(id); }

  /** Take the list that the service gives; choose the liveliest when none is chosen. */
  update(list) {
    const same = list.length === this.all.size && list.every(({ id }) => this.all.has(id));
    this.all = new Map(list.map((device) => [device.id, device]));
    if (!same) this.arrange();
    for (const device of list) {
      const tile = this.tiles.get(device.id);
      if (!tile) continue;
      tile.update(device);
      tile.button.title = device.last_seen ? `last seen ${ago(device.last_seen)}` : "never seen";
    }
    this.showStates();
    if (list.length && !this.all.has(this.chosen)) {
      const latest = list.reduce((a, b) => ((b.last_seen ?? "") > (a.last_seen ?? "") ? b : a));
      this.onChoose(latest.id);
    }
    return !same;
  }

  /** Which devices have a tile: those heard last, in the order of their names. */
  arrange() {
    const heard = (device) => device.last_seen ?? "";
    let shown = [...this.all.values()];
    if (shown.length > MOST_TILES) shown = shown.sort((a, b) => heard(b).localeCompare(heard(a))).slice(0, MOST_TILES);
    shown.sort((a, b) => a.id.localeCompare(b.id, undefined, { numeric: true }));
    const before = this.tiles;
    this.tiles = new Map(shown.map((one) => [one.id, before.get(one.id) ?? new Tile(one, this.onChoose)]));
    const tiles = [...this.tiles.values()];
    for (const tile of tiles) tile.canvas.tile = tile;
    this.looked.disconnect();
    this.sized.disconnect();
    element("devices").replaceChildren(...tiles.map((tile) => tile.button));
    for (const tile of tiles) {
      this.looked.observe(tile.canvas);
      this.sized.observe(tile.canvas);
    }
    element("device-field").hidden = this.all.size <= MOST_TILES;
    element("device").replaceChildren(...[...this.all.keys()].map((id) => new Option(id, id)));
    this.mark(this.chosen);
  }

  mark(id) {
    this.chosen = id;
    for (const [name, { button }] of this.tiles) {
      button.setAttribute("aria-pressed", String(name === id));
      button.tabIndex = name === id ? 0 : -1;
    }
    if (id !== null) element("device").value = id;
    const first = this.tiles.values().next().value;
    if (first && !this.tiles.has(id)) first.button.tabIndex = 0;
  }

  /** The arrow keys go from tile to tile, as they lie. */
  press(press) {
    const buttons = [...this.tiles.values()].map((tile) => tile.button);
    const here = buttons.indexOf(document.activeElement);
    if (here < 0 || press.ctrlKey || press.metaKey || press.altKey) return;
    const wide = buttons.filter((one) => one.offsetTop === buttons[0].offsetTop).length;
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide, Home: -here, End: buttons.length - 1 - here };
    const next = buttons[here + (moves[press.key] ?? NaN)];
    if (!next) return;
    press.preventDefault();
    buttons[here].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  /** Look at the device that is `by` tiles on. */
  step(by) {
    const names = [...this.tiles.keys()];
    const here = names.indexOf(this.chosen);
    const next = names[Math.max(0, Math.min(names.length - 1, here + by))];
    if (next === undefined || next === this.chosen) return;
    this.onChoose(next);
    this.tiles.get(next).button.scrollIntoView({ block: "nearest" });
  }

  repaint() {
    for (const tile of this.tiles.values()) tile.dirty = true;
  }

  frame(now) {
    requestAnimationFrame((next) => this.frame(next));
    const elapsed = now - (this.drawn ?? 0);
    if (!this.shown || elapsed < (still.matches ? 500 : DRAW_MS)) return;
    this.drawn = now;
    const tiles = [...this.tiles.values()].filter((tile) => tile.seen);
    const begun = performance.now();
    let any = false;
    for (let i = 0; i < tiles.length; i += 1) {
      const tile = tiles[this.turn % tiles.length];
      any = tile.draw((now - (tile.at ?? now)) / 1000) || any;
      tile.at = now;
      this.turn += 1;
      if (performance.now() - begun > BUDGET_MS) break;
    }
    if (any) this.draws += 1;
  }

  showStates() {
    const count = new Map();
    for (const tile of this.tiles.values()) {
      tile.showState();
      const said = tile.state.textContent;
      count.set(said, (count.get(said) ?? 0) + 1);
    }
    const looked = this.tiles.get(this.chosen);
    if (looked?.state.textContent === "elsewhere") element("strip-note").textContent = `${this.chosen} streams to another process of the service: its events come here, its signal is seen there`;
    const words = [...count].map(([said, n]) => `${number(n)} ${said}`);
    if (this.tiles.size < this.all.size) words.push(`${number(this.all.size - this.tiles.size)} more in the list`);
    if (performance.now() - this.dropped.at < TOLD_MS) words.push(`${number(this.dropped.frames)} frames left out: this page does not keep up`);
    const text = words.join(" · ");
    if (element("wall-note").textContent !== text) element("wall-note").textContent = text;
  }

  /** The service left frames out, because this page did not take them in time. */
  missed(frames) {
    const before = performance.now() - this.dropped.at < TOLD_MS ? this.dropped.frames : 0;
    this.dropped = { frames: before + frames, at: performance.now() };
    this.showStates();
  }

  /** An event is open on a device, perhaps of a class already. */
  open(id, event, label, text) {
    const tile = this.tiles.get(id);
    if (!tile) return;
    tile.open = event;
    tile.button.classList.add("open");
    tile.say(text, label);
  }

  closed(id, event) {
    const tile = this.tiles.get(id);
    if (!tile || tile.open !== event) return;
    tile.open = null;
    tile.button.classList.remove("open");
    tile.say("");
  }

  /** After a broken line nobody knows what is still open. */
  forgetOpen() {
    for (const [id, { open }] of this.tiles) if (open !== null) this.closed(id, open);
  }

  lastSeen(id) { return this.all.get(id)?.last_seen ?? null; }
}
