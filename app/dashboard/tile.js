// One device on the wall: its name and state, and its newest readings in small.
//
// What has been drawn is moved to the left and only the new columns are painted, so that
// fifty devices cost little more than one.

import { classColour, colour, hueOf } from "./colour.js";
import { Flow } from "./flow.js";
import { Ring } from "./ring.js";
import { make } from "./words.js";

const KEEP_READINGS = 4096;
const MOST_LANES = 8;
const MOST_SPANS = 40;
const PIXELS_PER_SECOND = 30;
const RANGE_MS = 3000; // how often a lane may narrow
const QUIET_MS = 2000; // silent for so long, a stream has a gap
const STREAMING_MS = 15_000; // as the service counts them
const GAP_MS = 5000; // how long a gap of its numbers is told

export class Tile {
  constructor(device, onChoose) {
    this.device = device;
    this.name = make("b", "", device.id);
    this.since = this.listed = performance.now();
    this.unheard = 0; // how often it was seen again, and not by this process
    this.state = make("span", "state", "");
    this.what = make("span", "what", "");
    this.canvas = make("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.button = make("button", "device", make("span", "device-head", this.name, this.what, this.state), this.canvas);
    this.button.type = "button";
    this.button.tabIndex = -1;
    this.button.setAttribute("aria-pressed", "false");
    this.button.addEventListener("click", () => onChoose(device.id));
    this.open = null; // the event that is going on
    this.seen = true;
    this.spans = new Map();
    this.ring = this.flow = this.about = null;
    this.gapped = -Infinity;
    this.dirty = true;
  }

  /** Take a block of readings. */
  add(block, names) {
    if (block.boot !== this.about?.boot) {
      this.about = { boot: block.boot, rate_hz: block.rate_hz, step: block.step ?? 1, names };
      this.ring = new Ring(names.length, KEEP_READINGS);
      this.flow = new Flow(block.rate_hz);
      this.ranges = names.slice(0, MOST_LANES).map(() => null);
      this.narrowed = 0;
      this.dirty = true;
    } else if (block.first_seq > this.ring.last + this.about.step) {
      this.gapped = performance.now();
    }
    this.unheard = 0;
    this.flow.came(this.ring.addBlock(block));
  }

  /** Its readings are asked for from now on. */
  begin() { this.since = performance.now(); }

  /** Take what the list says of it by now; who is seen and not heard streams elsewhere. */
  update(device) {
    const again = this.device.last_seen && new Date(device.last_seen) > new Date(this.device.last_seen);
    if (again && (this.flow?.heard ?? -Infinity) < this.listed) this.unheard += 1;
    this.device = device;
    this.listed = performance.now();
  }

  span(id, part) {
    this.spans.set(id, { ...this.spans.get(id), ...part });
    if (this.spans.size > MOST_SPANS) this.spans.delete(this.spans.keys().next().value);
    this.dirty = true;
  }

  retract(id) {
    this.dirty = this.spans.delete(id) || this.dirty;
  }

  /** Say in words what goes on, or went on last. */
  say(text, label) {
    if (this.what.textContent !== text) this.what.textContent = text;
    this.what.classList.toggle("known", label !== undefined);
    if (label !== undefined) this.what.style.setProperty("--hue", hueOf(label));
  }

  /** streaming, gap, idle, paused, never seen, or elsewhere: to another process. */
  get condition() {
    const { paused, last_seen } = this.device;
    if (paused) return "paused";
    const now = performance.now();
    const silent = now - (this.flow?.heard ?? -Infinity);
    if (silent < QUIET_MS) return now - this.gapped < GAP_MS ? "gap" : "streaming";
    if (!last_seen) return "never seen";
    if (Date.now() - new Date(last_seen) > STREAMING_MS) return "idle";
    if (now - this.since < QUIET_MS) return "streaming"; // as far as is known yet
    return this.unheard > 1 ? "elsewhere" : "gap";
  }

  showState() {
    const { condition } = this;
    if (this.state.textContent === condition) return;
    this.state.textContent = condition;
    this.button.dataset.state = condition;
  }

  measure(scale) {
    const size = [Math.round(this.canvas.clientWidth * scale), Math.round(this.canvas.clientHeight * scale)];
    this.scale = scale;
    this.dirty = true;
    [this.canvas.width, this.canvas.height] = size;
  }

  /** Paint what is new; answers whether anything was. */
  draw(seconds) {
    const { canvas, ring } = this;
    if (!ring?.size || !canvas.width) return this.blank();
    this.flow.advance(seconds, ring.last);
    const each = this.flow.pace / (PIXELS_PER_SECOND * this.scale); // readings a column
    const edge = Math.floor(this.flow.head / each); // columns before it are complete
    this.widen(edge, each);
    if (each !== this.each) this.dirty = true;
    let fresh = this.dirty ? canvas.width : edge - this.edge;
    if (fresh === 0) return false;
    if (!(fresh > 0 && fresh < canvas.width)) fresh = canvas.width;
    const pen = canvas.getContext("2d");
    if (fresh === canvas.width) {
      pen.clearRect(0, 0, canvas.width, canvas.height);
    } else {
      pen.globalCompositeOperation = "copy";
      pen.drawImage(canvas, -fresh, 0);
      pen.globalCompositeOperation = "source-over";
    }
    [this.edge, this.each, this.dirty, this.empty] = [edge, each, false, false];
    this.paint(pen, edge - fresh);
    return true;
  }

  blank() {
    if (this.empty) return false;
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.empty = true;
    return true;
  }

  /** Find the range of each lane: it widens at once and narrows seldom. */
  widen(edge, each) {
    const now = performance.now();
    const all = now - this.narrowed > RANGE_MS || this.dirty;
    if (all) this.narrowed = now;
    const from = (all ? edge - this.canvas.width : this.edge) * each;
    this.ranges.forEach((range, lane) => {
      const [least, most] = this.ring.range(lane, from, edge * each);
      if (!(least <= most)) return;
      const inside = range && least >= range.least && most <= range.most;
      if (inside && !(all && most - least < 0.5 * (range.most - range.least))) return;
      const low = all || !range ? least : Math.min(least, range.least);
      const high = all || !range ? most : Math.max(most, range.most);
      const margin = 0.08 * (high - low) || 0.5;
      this.ranges[lane] = { least: low - margin, most: high + margin };
      this.dirty = true;
    });
  }

  /** Paint the columns from `first` up to the edge. */
  paint(pen, first) {
    const { width, height } = this.canvas;
    const { edge, each, scale } = this;
    const x = (seq) => width - edge + seq / each;
    const left = width - edge + first;
    const bar = Math.round(3 * scale);
    pen.save();
    pen.beginPath();
    pen.rect(left, 0, width - left, height);
    pen.clip();
    for (const span of this.spans.values()) {
      if (span.boot !== this.about.boot) continue;
      const begin = Math.max(left, x(span.onset_seq));
      const end = Math.min(width, x(span.offset_seq ?? edge * each));
      if (end <= begin) continue;
      pen.fillStyle = classColour(span.label, 0.18);
      pen.fillRect(begin, bar, end - begin, height - bar);
      pen.fillStyle = classColour(span.label, 1);
      pen.fillRect(begin, 0, end - begin, bar);
    }
    pen.strokeStyle = colour("--trace");
    pen.lineWidth = 1;
    const step = Math.max(this.about.step, each);
    const tall = (height - bar) / this.ranges.length;
    pen.beginPath();
    this.ranges.forEach((range, lane) => {
      if (!range) return;
      const foot = bar + (lane + 1) * tall - 1;
      const unit = (tall - 2) / (range.most - range.least);
      const { origin, low, high } = this.ring.fold(lane, first * each - 2 * step, edge * each + 2 * step, step);
      let down = false;
      for (let i = 0; i < low.length; i += 1) {
        if (Number.isNaN(low[i])) {
          down = false;
          continue;
        }
        const at = x((origin + i) * step);
        if (down) pen.lineTo(at, foot - (high[i] - range.least) * unit);
        else pen.moveTo(at, foot - (high[i] - range.least) * unit);
        if (low[i] !== high[i]) pen.lineTo(at, foot - (low[i] - range.least) * unit);
        down = true;
      }
    });
    pen.stroke();
    pen.restore();
  }
}
