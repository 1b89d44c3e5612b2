// The readings of one event on a canvas: a lane a channel, its borders and rolls marked.

import { classColour, colour } from "./colour.js";
import { number } from "./words.js";

const MOST_LANES = 32;
const FOOT = 22; // height of the ruler
const HEAD = 18; // height of the names of the borders

/** Seconds, as short as they can be said. */
const seconds = (value) => `${number(Math.round(1000 * value) / 1000 + 0)} s`; // + 0: no −0

export class WindowView {
  constructor(canvas) {
    this.canvas = canvas;
    this.clear();
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(canvas);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.redraw = () => this.draw();
    this.dark.addEventListener("change", this.redraw);
  }

  clear() {
    this.shown = null;
    this.cursor = null; // which reading is looked at
    this.marks = null; // parts with their weight for the class
    this.draw();
  }

  /** Mark the parts that decided for the class: `first`, `next`, `weight` of each. */
  mark(parts) {
    this.marks = parts;
    this.draw();
  }

  close() {
    this.resized.disconnect();
    this.dark.removeEventListener("change", this.redraw);
  }

  /** Show a window; `label` gives the event its colour. */
  show(shown, label) {
    this.shown = shown;
    this.label = label;
    this.begin = shown.pre_roll;
    this.end = shown.values.length - shown.post_roll;
    this.names = shown.channels.slice(0, MOST_LANES).map((channel) => channel.name);
    this.ranges = this.names.map((_, lane) => {
      let [low, high] = [Infinity, -Infinity];
      for (const reading of shown.values) {
        if (reading[lane] < low) low = reading[lane];
        if (reading[lane] > high) high = reading[lane];
      }
      return low <= high ? [low, high] : [0, 0];
    });
    this.draw();
  }

  get count() { return this.shown?.values.length ?? 0; }

  /** Seconds from the onset to a reading. */
  at(index) { return (index - this.shown.pre_roll) / this.shown.rate_hz; }

  x(index) { return this.left + (index / Math.max(this.count - 1, 1)) * (this.width - this.left - 1); }

  /** Which reading lies at a place of the canvas. */
  index(x) {
    const share = (x - this.left) / (this.width - this.left - 1);
    return Math.max(0, Math.min(this.count - 1, Math.round(share * Math.max(this.count - 1, 1))));
  }

  draw() {
    const { canvas, shown } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    if (!shown || width < 80) return;
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.font = "12px system-ui, sans-serif";
    this.width = width;
    const longest = Math.max(...this.names.map((name) => pen.measureText(name).width));
    this.left = Math.round(Math.min(longest, width / 4) + 12);
    const foot = height - FOOT;
    this.drawRuler(pen, foot);
    this.drawBorders(pen, foot);
    this.drawMarks(pen, foot);
    const lane = (foot - HEAD) / this.names.length;
    this.names.forEach((name, i) => {
      const top = HEAD + i * lane;
      pen.fillStyle = colour("--soft");
      pen.textAlign = "left";
      pen.fillText(name, 0, top + lane / 2 + 4, this.left - 8);
      this.drawLane(pen, i, top + 0.06 * lane, 0.88 * lane);
    });
    if (this.cursor !== null) this.drawCursor(pen, foot, lane);
  }

  drawRuler(pen, foot) {
    const [from, to] = [this.at(0), this.at(this.count - 1)];
    const least = ((to - from) * 64) / (this.width - this.left); // seconds between two marks
    const power = 10 ** Math.floor(Math.log10(least || 1));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= least) ?? 1;
    pen.strokeStyle = colour("--line");
    pen.fillStyle = colour("--soft");
    pen.lineWidth = 1;
    pen.textAlign = "center";
    for (let n = Math.ceil(from / step); n * step <= to; n += 1) {
      const place = Math.round(this.x(n * step * this.shown.rate_hz + this.shown.pre_roll)) + 0.5;
      pen.beginPath();
      pen.moveTo(place, HEAD);
      pen.lineTo(place, foot);
      pen.stroke();
      const text = seconds(n * step);
      const half = pen.measureText(text).width / 2;
      if (place - half > this.left - 8 && place + half < this.width) pen.fillText(text, place, foot + 16);
    }
  }

  /** Before the onset and after the offset: what the detector kept around the event. */
  drawBorders(pen, foot) {
    const [onset, offset] = [this.x(this.begin), this.x(Math.min(this.end, this.count - 1))];
    const [from, to] = [this.x(0), this.x(this.count - 1)];
    pen.fillStyle = colour("--roll");
    pen.fillRect(from, HEAD, onset - from, foot - HEAD);
    pen.fillRect(offset, HEAD, to - offset, foot - HEAD);
    pen.fillStyle = classColour(this.label, 0.15);
    pen.fillRect(onset, HEAD, offset - onset, foot - HEAD);
    pen.fillStyle = classColour(this.label, 1);
    for (const at of [onset, offset]) pen.fillRect(at - 0.75, HEAD - 4, 1.5, foot - HEAD + 4);
    pen.fillStyle = colour("--soft");
    this.name(pen, "pre-roll", from, onset);
    this.name(pen, "post-roll", offset, to);
    pen.fillStyle = colour("--ink");
    const length = seconds((this.end - this.begin) / this.shown.rate_hz);
    if (!this.name(pen, `onset · ${length} · offset`, onset, offset)) this.name(pen, length, onset, offset);
  }

  /** The more a part decided, the darker it is, and the thicker the line under it. */
  drawMarks(pen, foot) {
    const most = Math.max(...(this.marks ?? []).map((part) => part.weight), 0);
    if (most < 0.02) return;
    for (const { first, next, weight } of this.marks) {
      const share = Math.max(0, weight) / most;
      const [from, to] = [this.x(first), this.x(Math.min(next, this.count - 1))];
      pen.fillStyle = classColour(this.label, 0.3 * share * share);
      pen.fillRect(from, HEAD, to - from, foot - HEAD);
      pen.fillStyle = classColour(this.label, 1);
      pen.fillRect(from, foot - 4 * share, to - from, 4 * share);
    }
  }

  name(pen, text, from, to) {
    if (pen.measureText(text).width > to - from - 4) return false;
    pen.textAlign = "center";
    pen.fillText(text, (from + to) / 2, HEAD - 6);
    return true;
  }

  drawLane(pen, lane, top, height) {
    const { values } = this.shown;
    const [low, high] = this.ranges[lane];
    const y = (value) => top + height / 2 - ((value - (low + high) / 2) / (high - low || 1)) * height;
    // of many readings in one pixel the least and the greatest are all that shows
    const step = Math.max(1, Math.floor(values.length / (this.width - this.left)));
    pen.strokeStyle = colour("--trace");
    pen.lineWidth = 1;
    pen.beginPath();
    for (let i = 0; i < values.length; i += step) {
      let [least, most] = [Infinity, -Infinity];
      for (let j = i; j < Math.min(i + step, values.length); j += 1) {
        least = Math.min(least, values[j][lane] ?? NaN); // a missing value is not drawn
        most = Math.max(most, values[j][lane] ?? NaN);
      }
      pen.lineTo(this.x(i), y(most));
      if (least !== most) pen.lineTo(this.x(i), y(least));
    }
    pen.stroke();
  }

  drawCursor(pen, foot, lane) {
    const at = this.x(this.cursor);
    pen.fillStyle = colour("--accent");
    pen.fillRect(at - 0.5, HEAD, 1, foot - HEAD);
    const left = at > (this.left + this.width) / 2;
    pen.textAlign = left ? "right" : "left";
    this.names.forEach((_, i) => {
      const text = (this.shown.values[this.cursor][i] ?? NaN).toPrecision(3);
      const { width } = pen.measureText(text);
      const middle = HEAD + (i + 0.5) * lane;
      pen.fillStyle = colour("--card");
      pen.fillRect(left ? at - width - 8 : at + 4, middle - 8, width + 4, 16);
      pen.fillStyle = colour("--ink");
      pen.fillText(text, left ? at - 6 : at + 6, middle + 4);
    });
  }
}
