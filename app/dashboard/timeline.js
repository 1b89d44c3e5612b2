// The versions as a timeline: a column each, how often it was right on a common scale.

import { make, percent } from "./words.js";

const [NARROW, WIDE] = [76, 132]; // pixels
const HIGH = 120;
const ROOM = 0.05; // below the worst version
const SVG = "http://www.w3.org/2000/svg";

export class Timeline {
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.axis = make("div", "axis");
    this.axis.setAttribute("aria-hidden", "true");
    this.columns = make("div", "columns-of");
    this.columns.setAttribute("role", "group");
    this.columns.setAttribute("aria-label", "Versions, oldest first");
    this.scroll = make("div", "timeline-scroll", this.columns);
    this.node = make("div", "timeline", this.axis, this.scroll);
  }

  /** `versions` oldest first; `later` is accuracy by version on events labelled afterwards. */
  show(versions, later, served, chosen) {
    const points = versions.map((model) => ({
      model,
      held: model.report?.holdout?.n ? model.report.holdout.accuracy : null,
      later: later.get(model.version) ?? null,
      served: served.has(model.version),
    }));
    const known = points.flatMap(({ held, later: told }) => [held, told?.accuracy ?? null]).filter((one) => one !== null);
    const least = Math.max(0, Math.floor((Math.min(1, ...known) - ROOM) * 20) / 20);
    const y = (share) => HIGH * (1 - (share - least) / (1 - least || 1));
    this.axis.replaceChildren(...[1, (1 + least) / 2, least].map((share) => {
      const mark = make("span", "", percent(share));
      mark.style.top = `${y(share)}px`;
      return mark;
    }));
    const column = Math.max(NARROW, Math.min(WIDE, Math.floor(this.scroll.clientWidth / points.length)));
    const width = column * points.length;
    const lines = document.createElementNS(SVG, "svg");
    lines.setAttribute("width", width);
    lines.setAttribute("height", HIGH);
    lines.setAttribute("aria-hidden", "true");
    const line = (kind, of) => {
      const path = document.createElementNS(SVG, "polyline");
      path.setAttribute("class", kind);
      const places = points.map((point, i) => [column * (i + 0.5), of(point)]).filter(([, share]) => share !== null);
      path.setAttribute("points", places.map(([x, share]) => `${x},${y(share)}`).join(" "));
      lines.append(path);
    };
    line("held", (point) => (point.served ? point.held : null)); // the way of the champions
    line("later", ({ later: told }) => told?.accuracy ?? null);
    this.columns.replaceChildren(lines, ...points.map((point) => this.column(point, y, chosen)));
    this.columns.style.width = `${width}px`;
    const marked = this.columns.querySelector("[aria-pressed=true]");
    if (marked) this.scroll.scrollLeft = marked.offsetLeft - this.scroll.clientWidth / 2;
  }

  column({ model, held, later, served }, y, chosen) {
    const { version, state } = model;
    const made = make("button", `version ${state} ${served ? "served" : ""}`);
    made.type = "button";
    made.setAttribute("aria-pressed", String(version === chosen));
    const said = [`Version ${version}`, state];
    const plot = make("span", "plot");
    const dot = (kind, share, text) => {
      const one = make("i", kind);
      one.style.top = `${y(share)}px`;
      plot.append(one);
      said.push(text);
    };
    if (held !== null) dot("held", held, `${percent(held)} of the held-out events right`);
    if (later) dot("later", later.accuracy, `${percent(later.accuracy)} of ${later.n} labelled afterwards`);
    made.append(plot, make("b", "", `v${version}`), make("small", "", state));
    made.setAttribute("aria-label", said.join(", "));
    made.title = said.join("\n");
    made.addEventListener("click", () => this.onChoose(version));
    return made;
  }
}
