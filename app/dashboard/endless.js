// A list that goes on while one scrolls: the service gives it page by page, by cursor.

import { make } from "./words.js";

const PAGE = 100;
const MOST_ROWS = 2000; // then the page begins anew: its memory is bounded

export class Endless {
  /**
   * `fetch(query)` answers with a page of items; `row(item)` makes a line of the table.
   * `empty` is said when there is nothing at all.
   */
  constructor({ heads, label, fetch, row, empty }) {
    this.fetch = fetch;
    this.row = row;
    this.empty = empty;
    this.body = make("tbody");
    const line = make("tr");
    for (const [name, kind] of heads) {
      const head = make("th", kind, name);
      head.scope = "col";
      line.append(head);
    }
    this.table = make("table", "list", make("thead", "", line), this.body);
    this.table.setAttribute("aria-label", label);
    this.foot = make("p", "note foot");
    this.foot.setAttribute("role", "status");
    this.more = make("button", "quiet", "Older ones");
    this.more.type = "button";
    this.more.addEventListener("click", () => this.begin(this.cursor));
    this.node = make("div", "endless", this.table, this.foot, this.more);
    this.seen = new IntersectionObserver(([entry]) => {
      if (entry.isIntersecting) this.next();
    }, { rootMargin: "600px" });
    this.seen.observe(this.foot);
    this.begin();
  }

  begin(cursor = null) {
    this.turn = (this.turn ?? 0) + 1; // what an older one still answers is dropped
    this.cursor = cursor;
    this.items = [];
    this.ended = this.busy = false;
    this.more.hidden = true;
    this.body.replaceChildren();
    return this.next();
  }

  async next() {
    if (this.busy || this.ended || this.items.length >= MOST_ROWS) return;
    const { turn } = this;
    this.busy = true;
    this.foot.textContent = "Looking …";
    let page = null;
    try {
      page = await this.fetch({ limit: PAGE, cursor: this.cursor });
    } catch (error) {
      if (turn === this.turn) this.foot.textContent = error.message;
      this.ended = true;
    }
    if (turn !== this.turn) return;
    this.busy = false;
    if (!page) return;
    this.items.push(...page.items);
    this.body.append(...page.items.map(this.row));
    this.cursor = page.next_cursor;
    this.ended = this.cursor === null;
    const full = this.items.length >= MOST_ROWS && !this.ended;
    this.more.hidden = !full;
    this.foot.textContent = this.items.length
      ? `${this.items.length}${this.ended ? ", that is all" : " shown"}`
      : this.empty;
    this.seen.unobserve(this.foot); // where it is now, with the new lines above it
    this.seen.observe(this.foot);
  }

  /** The line that a key stands on, `by` lines on from here. */
  step(by) {
    const lines = [...this.body.querySelectorAll("a.row, button.row")];
    const here = lines.indexOf(document.activeElement);
    const next = here < 0 ? lines.at(by > 0 ? 0 : -1) : lines[Math.max(0, Math.min(lines.length - 1, here + by))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }

  close() {
    this.turn += 1;
    this.seen.disconnect();
  }
}
