// The onset and the offset of an event, to be moved by pointer or by arrow keys.

import { button, make, number } from "./words.js";

const LEAP = 10; // readings, with shift

export class Borders {
  /** `onMove({onset_seq, offset_seq})` is told where somebody puts the borders. */
  constructor(view, onMove) {
    this.view = view;
    this.handles = ["onset", "offset"].map((name) => this.handle(name));
    this.node = make("div", "borders", ...this.handles);
    this.read = make("output", "note", "");
    this.save = button("Move the borders", () => onMove(this.moved), "");
    this.undo = button("Leave them", () => this.show(this.event), "quiet");
    this.foot = make("div", "stage-foot", this.read, this.undo, this.save);
    this.event = null;
    this.offer();
    const { canvas } = view;
    canvas.addEventListener("pointermove", (move) => this.look(view.index(move.offsetX)));
    canvas.addEventListener("pointerleave", () => this.look(null));
    canvas.addEventListener("keydown", (press) => this.press(press, view.cursor ?? view.begin, (at) => this.look(at)));
    canvas.addEventListener("blur", () => this.look(null));
    new ResizeObserver(() => this.place()).observe(canvas);
  }

  /** What the borders are now called, in readings of the stream. */
  get moved() {
    const { onset_seq } = this.event;
    const first = onset_seq - this.view.shown.pre_roll;
    return { onset_seq: first + this.view.begin, offset_seq: first + this.view.end };
  }

  show(event) {
    this.event = event;
    const { shown } = this.view;
    this.view.begin = shown.pre_roll;
    this.view.end = shown.values.length - shown.post_roll;
    this.update();
  }

  handle(name) {
    const made = make("div", "handle");
    made.tabIndex = 0;
    made.setAttribute("role", "slider");
    made.setAttribute("aria-label", `${name}, as a reading of the window`);
    made.addEventListener("keydown", (press) => this.press(press, this.value(made), (at) => this.put(made, at)));
    made.addEventListener("pointerdown", (down) => {
      made.setPointerCapture(down.pointerId);
      down.preventDefault();
      made.focus();
    });
    made.addEventListener("pointermove", (move) => {
      if (!made.hasPointerCapture(move.pointerId)) return;
      this.put(made, this.view.index(move.clientX - this.view.canvas.getBoundingClientRect().left));
    });
    return made;
  }

  value(handle) { return handle === this.handles[0] ? this.view.begin : this.view.end; }

  put(handle, at) {
    const { view } = this;
    if (handle === this.handles[0]) view.begin = Math.max(0, Math.min(view.end - 1, at));
    else view.end = Math.min(view.count, Math.max(view.begin + 1, at));
    this.update();
  }

  press(press, at, act) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[press.key];
    if (!by || !this.event) return;
    press.preventDefault();
    act(at + by * (press.shiftKey ? LEAP : 1));
  }

  /** Look at one reading. */
  look(at) {
    const { view } = this;
    if (!view.shown) return;
    view.cursor = at === null ? null : Math.max(0, Math.min(view.count - 1, at));
    this.offer();
    view.draw();
  }

  update() {
    this.view.draw();
    this.place();
    this.offer();
  }

  place() {
    const { view } = this;
    for (const handle of this.handles) {
      const value = this.value(handle);
      handle.hidden = !view.shown;
      if (!view.shown || !view.width) continue;
      handle.style.left = `${view.x(Math.min(value, view.count - 1))}px`;
      handle.setAttribute("aria-valuemin", "0");
      handle.setAttribute("aria-valuemax", String(view.count));
      handle.setAttribute("aria-valuenow", String(value));
      handle.setAttribute("aria-valuetext", `${view.at(value).toFixed(2)} s from the onset`);
    }
  }

  offer() {
    const { view, event } = this;
    const now = event && this.moved;
    const changed = Boolean(now) && (now.onset_seq !== event.onset_seq || now.offset_seq !== event.offset_seq);
    this.save.hidden = this.undo.hidden = !changed;
    if (changed) {
      this.read.textContent = `Readings ${number(now.onset_seq)} … ${number(now.offset_seq - 1)}, ${((view.end - view.begin) / view.shown.rate_hz).toFixed(2)} s`;
    } else if (view.shown && view.cursor !== null) {
      this.read.textContent = `Reading ${number(now.onset_seq - view.begin + view.cursor)}, ${view.at(view.cursor).toFixed(2)} s from the onset`;
    } else this.read.textContent = "Drag the borders, or move them by the arrow keys.";
  }
}
