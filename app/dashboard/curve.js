// Precision, recall and false alarms over a threshold: pointed at, or stepped through.

import { button, make, number, percent } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const [TOP, UPPER, BETWEEN, LOWER, FOOT] = [14, 150, 26, 70, 24];
const [LEFT, RIGHT] = [46, 14];
const HEIGHT = TOP + UPPER + BETWEEN + LOWER + FOOT;

function draw(kind, attributes, text = "") {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

const share = (value) => (value === null ? "–" : percent(value));
const short = (value) => Number(value.toPrecision(4)).toString();

export class Curve {
  constructor(use) {
    this.svg = draw("svg", { class: "curve-lines", role: "img", "aria-label": "No curve yet", height: HEIGHT });
    this.range = make("input");
    Object.assign(this.range, { type: "range", min: 0, step: 1 });
    this.range.setAttribute("aria-label", "Threshold");
    this.said = make("output", "curve-said");
    this.about = make("p", "note");
    this.use = button("Use this threshold ", () => use(this.result, this.point.value));
    this.use.append(make("kbd", "", "u"));
    const legend = make("p", "note legend curve-legend", ...["precision", "recall", "alarms"].map((name) => make("span", "", make("i", name), name === "alarms" ? "false alarms an hour" : name)));
    this.shown = make("div", "", legend, this.svg, make("div", "curve-foot", this.range, this.said, this.use), this.about);
    this.empty = make("p", "empty", "Explore runs the recordings through other thresholds: what each would have found, and at what price.");
    this.node = make("div", "curve", this.shown, this.empty);
    this.shown.hidden = true;
    this.range.addEventListener("input", () => this.choose(Number(this.range.value)));
    const look = (move) => this.choose(this.nearest(move.offsetX));
    this.svg.addEventListener("pointermove", look);
    this.svg.addEventListener("pointerdown", look);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.node);
  }

  close() { this.resized.disconnect(); }

  get point() { return this.result.curve[this.chosen]; }

  /** Show what an exploration found; null shows none. */
  show(result) {
    this.result = result;
    this.shown.hidden = !result;
    this.empty.hidden = Boolean(result);
    if (!result) return;
    const values = result.curve.map((one) => one.value);
    this.range.max = values.length - 1;
    const { present } = result;
    this.now = values.indexOf(present);
    const low = Math.min(...values);
    this.logs = low > 0 && Math.max(...values) > 3 * low;
    this.most = Math.max(1, ...result.curve.map((one) => one.false_alarms_per_hour ?? 0));
    const best = result.curve.reduce((a, one, i) => ((one.f1 ?? 0) > (result.curve[a].f1 ?? 0) ? i : a), 0);
    const held = result.held_out ? "; every other stretch is held out, and judges what is chosen here" : "";
    this.about.textContent = `${number(result.events)} labelled events in ${number(result.streams)} recordings, ${short(result.hours)} h${held}. Now ${result.setting} is ${short(present)}; event F1 is best at ${short(values[best])}.`;
    this.svg.setAttribute("aria-label", `Precision, recall and false alarms per hour for ${values.length} values of ${result.setting}, ${short(values[0])} to ${short(values.at(-1))}; ${this.about.textContent}`);
    this.choose(this.now >= 0 ? this.now : best);
  }

  choose(index) {
    this.chosen = Math.max(0, Math.min(index, this.result.curve.length - 1));
    this.range.value = this.chosen;
    const { value, found, precision, recall, f1, false_alarms_per_hour: alarms } = this.point;
    const name = `${this.result.setting} ${short(value)}`;
    const words = [`precision ${share(precision)}`, `recall ${share(recall)}`, `F1 ${f1 === null ? "–" : f1.toFixed(3)}`, `${alarms === null ? "–" : short(alarms)} false alarms/h`, `${number(found)} found`];
    this.said.replaceChildren(make("b", "", name), ` ${words.join(" · ")}`);
    this.range.setAttribute("aria-valuetext", `${name}${this.chosen === this.now ? ", as now" : ""}: ${words.join(", ")}`);
    this.use.disabled = this.chosen === this.now;
    this.draw();
  }

  step(by) { if (this.result) this.choose(this.chosen + by); }

  at(value) {
    const of = this.logs ? Math.log : (v) => v;
    const values = this.result.curve.map((one) => one.value);
    const [low, high] = [of(Math.min(...values)), of(Math.max(...values))];
    return LEFT + ((of(value) - low) / (high - low || 1)) * (this.width - LEFT - RIGHT);
  }

  nearest(x) {
    const far = this.result.curve.map((one) => Math.abs(this.at(one.value) - x));
    return far.indexOf(Math.min(...far));
  }

  draw() {
    const width = this.svg.clientWidth;
    if (!this.result || width < 120) return;
    this.width = width;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const upper = (value) => TOP + (1 - value) * UPPER;
    const floor = TOP + UPPER + BETWEEN + LOWER;
    const lower = (value) => floor - (value / this.most) * LOWER;
    const parts = [];
    const text = (x, y, said, anchor = "end") => parts.push(draw("text", { x, y, "text-anchor": anchor }, said));
    const rule = (y) => parts.push(draw("line", { x1: LEFT, x2: width - RIGHT, y1: y, y2: y, class: "rule" }));
    for (const value of [0, 0.5, 1]) {
      rule(upper(value));
      text(LEFT - 8, upper(value) + 4, percent(value));
    }
    for (const value of [0, this.most]) {
      rule(lower(value));
      text(LEFT - 8, lower(value) + 4, short(value));
    }
    let last = -Infinity;
    for (const { value } of this.result.curve) {
      const x = this.at(value);
      if (x - last < 42) continue;
      text(x, HEIGHT - 6, short(value), "middle");
      last = x;
    }
    if (this.now >= 0) {
      const x = this.at(this.result.present);
      parts.push(draw("line", { x1: x, x2: x, y1: TOP - 2, y2: floor, class: "present" }));
      text(x, TOP - 4, "now", "middle");
    }
    const x = this.at(this.point.value);
    parts.push(draw("line", { x1: x, x2: x, y1: TOP, y2: floor, class: "chosen" }));
    for (const [key, name, y] of [["precision", "precision", upper], ["recall", "recall", upper], ["false_alarms_per_hour", "alarms", lower]]) {
      // what nothing was found for is a hole in its line
      const runs = [[]];
      for (const one of this.result.curve) {
        if (one[key] === null) runs.push([]);
        else runs.at(-1).push(`${this.at(one.value)},${y(one[key])}`);
      }
      parts.push(...runs.filter((run) => run.length > 1).map((run) => draw("polyline", { points: run.join(" "), class: name })));
      if (this.point[key] !== null) parts.push(draw("circle", { cx: x, cy: y(this.point[key]), r: 4, class: name }));
    }
    this.svg.replaceChildren(...parts);
  }
}
