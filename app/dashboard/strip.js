// The newest readings of one device on a canvas: a lane a channel, events shaded.

import { classColour, colour } from "./colour.js";
import { Flow, still } from "./flow.js";
import { Ring } from "./ring.js";

const KEEP_READINGS = 1 << 15;
const MOST_LANES = 32;
const MOST_SPANS = 200;
const PIXELS_PER_SECOND = 75; // of our time, whatever the speed of the stream
const DRAW_MS = 30;
const HEAD = 24; // height of the names of events
const FOOT = 20; // height of the ruler

export class Strip {
  constructor(canvas) {
    this.canvas = canvas;
    this.draws = 0;
    this.clear();
    new ResizeObserver(() => this.measure()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.measure());
    requestAnimationFrame((now) => this.frame(now));
  }

  clear() {
    this.ring = this.flow = null;
    this.boot = null;
    this.spans = new Map(); // event id -> {boot, onset_seq, offset_seq, label, text, open}
    this.measure();
  }

  measure() {
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.dirty = true;
  }

  begin({ boot, rate_hz, names, step = 1 }) {
    this.boot = boot;
    this.rate = rate_hz;
    this.step = step;
    this.names = names.slice(0, MOST_LANES);
    this.ring = new Ring(this.names.length, KEEP_READINGS);
    this.ranges = this.names.map(() => null);
    this.flow = new Flow(rate_hz);
    const lane = Math.max(18, Math.min(44, 300 / this.names.length));
    this.canvas.style.height = `${Math.round(HEAD + FOOT + lane * this.names.length)}px`;
    this.measure();
  }

  /** Begin with what a tile has seen already. */
  adopt(tile) {
    this.begin(tile.about);
    this.ring.copy(tile.ring);
    Object.assign(this.flow, tile.flow);
  }

  /** Add a block of consecutive readings. */
  add(block, names) {
    if (block.boot !== this.boot) this.begin({ ...block, names });
    this.flow.came(this.ring.addBlock(block));
  }

  get head() { return this.flow?.head ?? null; }

  /** Shade an event, or what changed of it. */
  span(id, part) {
    this.spans.set(id, { ...this.spans.get(id), ...part });
    if (this.spans.size > MOST_SPANS) this.spans.delete(this.spans.keys().next().value);
    this.dirty = true;
  }

  retract(id) {
    this.dirty = this.spans.delete(id) || this.dirty;
  }

  frame(now) {
    requestAnimationFrame((next) => this.frame(next));
    const elapsed = now - (this.drawn ?? 0);
    if (elapsed < (still.matches ? 500 : DRAW_MS)) return;
    const before = this.head;
    if (this.ring?.size) this.flow.advance(elapsed / 1000, this.ring.last);
    if (!this.dirty && this.head === before) return;
    this.drawn = now;
    this.dirty = false;
    this.draws += 1;
    this.draw();
  }

  draw() {
    const { canvas, width, height } = this;
    const scale = window.devicePixelRatio || 1;
    const size = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (!this.ring?.size || width < 80) return;
    pen.font = "12px system-ui, sans-serif";
    const longest = Math.max(...this.names.map((name) => pen.measureText(name).width));
    const left = Math.round(Math.min(longest, width / 4) + 12);
    const full = Math.min((this.flow.pace * (width - left)) / PIXELS_PER_SECOND, KEEP_READINGS - 1);
    const held = this.head - this.ring.first; // a young strip is not left half empty
    const shown = Math.max(10, Math.min(full, Math.max(held, full / 5)));
    const from = this.head - shown;
    const x = (seq) => left + ((seq - from) / shown) * (width - left);
    this.drawRuler(pen, x, from, left);
    this.drawSpans(pen, x, from, left);
    const lane = (height - HEAD - FOOT) / this.names.length;
    this.names.forEach((name, i) => {
      const top = HEAD + i * lane;
      pen.fillStyle = colour("--soft");
      pen.fillText(name, 0, top + lane / 2 + 4, left - 8);
      this.drawLane(pen, i, x, from, left, top + 2, lane - 4);
    });
  }

  drawRuler(pen, x, from, left) {
    const seconds = (this.head - from) / this.rate; // of the device's time
    const room = this.width - left;
    const least = (seconds * Math.min(110, room / 3.5)) / room; // between two marks
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60].find((s) => s >= least) ?? 60 * Math.ceil(least / 60);
    pen.lineWidth = 1;
    pen.strokeStyle = colour("--line");
    pen.fillStyle = colour("--soft");
    pen.textAlign = "center";
    for (let at = step; at < seconds; at += step) {
      const place = Math.round(x(this.head - at * this.rate)) + 0.5;
      pen.beginPath();
      pen.moveTo(place, HEAD);
      pen.lineTo(place, this.height - FOOT);
      pen.stroke();
      if (place > left + 24) pen.fillText(`−${Number(at.toFixed(1))} s`, place, this.height - 4);
    }
    pen.textAlign = "right";
    pen.fillText("now", this.width - 2, this.height - 4);
    pen.textAlign = "left";
  }

  drawSpans(pen, x, from, left) {
    const seen = [...this.spans.values()]
      .filter((span) => span.boot === this.boot && (span.offset_seq ?? this.head) > from && span.onset_seq < this.head)
      .sort((a, b) => a.onset_seq - b.onset_seq);
    let taken = left - 8; // by the name before
    seen.forEach((span, i) => {
      const begin = Math.max(left, x(span.onset_seq));
      const end = Math.min(this.width, x(span.offset_seq ?? this.head));
      const room = (i + 1 < seen.length ? x(seen[i + 1].onset_seq) : this.width + 6) - begin;
      pen.fillStyle = classColour(span.label, 0.16);
      pen.fillRect(begin, HEAD, Math.max(2, end - begin), this.height - HEAD - FOOT);
      pen.fillStyle = classColour(span.label, 1);
      pen.fillRect(begin, HEAD - 3, Math.max(2, end - begin), 3);
      const { width } = pen.measureText(span.text);
      const start = Math.max(taken + 8, Math.min(begin, this.width - width));
      const free = begin + room - 6 - start;
      if (free < 14) return;
      taken = start + Math.min(width, free);
      pen.save();
      pen.beginPath();
      pen.rect(start, 0, free, HEAD);
      pen.clip();
      pen.fillStyle = colour("--ink");
      pen.fillText(span.text, start, 14);
      pen.restore();
    });
  }

  drawLane(pen, lane, x, from, left, top, height) {
    const step = Math.max(this.step, Math.round((this.head - from) / ((this.width - left) * 0.75)));
    const { origin, low, high } = this.ring.fold(lane, from, this.head, step);
    let least = Infinity;
    let most = -Infinity;
    for (let i = 0; i < low.length; i += 1) {
      if (low[i] < least) least = low[i];
      if (high[i] > most) most = high[i];
    }
    if (!(least <= most)) return;
    const range = (this.ranges[lane] ??= { least, most });
    // a lane widens at once and narrows slowly
    range.least = least < range.least ? least : range.least + 0.05 * (least - range.least);
    range.most = most > range.most ? most : range.most + 0.05 * (most - range.most);
    const unit = height / (range.most - range.least || 1);
    const y = (value) => top + height - (value - range.least) * unit;
    pen.strokeStyle = colour("--trace");
    pen.lineWidth = 1; // hairlines are drawn several times faster than any other
    pen.beginPath();
    let down = false;
    for (let i = 0; i < low.length; i += 1) {
      if (Number.isNaN(low[i])) {
        down = false;
        continue;
      }
      const at = Math.max(left, x((origin + i) * step));
      if (down) pen.lineTo(at, y(high[i]));
      else pen.moveTo(at, y(high[i]));
      if (low[i] !== high[i]) pen.lineTo(at, y(low[i]));
      down = true;
    }
    pen.stroke();
  }
}
