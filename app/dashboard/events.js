// The table of events: newest on top, each labelled in its row.

import { hueOf } from "./colour.js";
import { atClock, atDay, element, lasted, make, percent } from "./words.js";

const ROWS = 200;
const GATHER_MS = 200; // a table is laid out once for all that came meanwhile
const OTHER = "\u0000";

/** What is known of an event in a few words: for the strip. */
export function inWords(event) {
  if (event.label) return event.label.label;
  if (!event.prediction) return "unclassified";
  const { label, probability, unknown } = event.prediction;
  return unknown ? `unknown (${label}?)` : `${label} ${percent(probability)}`;
}

/** The class that an event is drawn as; undefined when nobody knows. */
export function classOf(event) {
  if (event.label) return event.label.label;
  return event.prediction && !event.prediction.unknown ? event.prediction.label : undefined;
}

/** What was predicted, marked right or wrong once somebody said what it is. */
export function chip(event) {
  return fillChip(make("span"), event);
}

function fillChip(chip, { prediction: said, label }) {
  chip.className = "chip";
  chip.title = "";
  if (!said) {
    chip.classList.add("unknown");
    chip.replaceChildren("unclassified");
    return chip;
  }
  chip.style.setProperty("--hue", hueOf(said.label));
  chip.classList.toggle("unknown", said.unknown);
  if (label) chip.classList.add(label.label === said.label ? "right" : "wrong");
  const name = make("span", "", said.unknown ? `unknown · ${said.label}` : said.label);
  chip.replaceChildren(name, make("small", "", percent(said.probability)));
  chip.title = `by model version ${said.model_version}`;
  return chip;
}

export class Events {
  /** `onLabel(event, label)` is told what a person said; it answers with a promise. */
  constructor(onLabel) {
    this.body = element("events");
    this.onLabel = onLabel;
    element("other-cancel").addEventListener("click", () => element("other").close(""));
    this.clear([]);
  }

  clear(classes) {
    this.names = new Set(classes);
    this.rows = new Map(); // event id -> {event, cells of the row}
    this.fresh = []; // lines that are not shown yet
    this.body.replaceChildren();
    element("events-empty").hidden = false;
  }

  get(id) { return this.rows.get(id)?.event; }

  of(device) {
    return [...this.rows.values()].map((row) => row.event).filter((event) => event.device === device);
  }

  show(event, { fresh = false } = {}) {
    const known = this.rows.get(event.id);
    const row = known ?? this.build(event);
    row.event = event;
    if (!known) {
      this.rows.set(event.id, row);
      this.fresh.push(row.line);
      this.waiting ??= setTimeout(() => this.lay(fresh), fresh ? GATHER_MS : 0);
    }
    this.fill(row);
  }

  /** Show the lines that came, the newest on top. */
  lay(marked) {
    this.waiting = undefined;
    if (!this.fresh.length) return;
    // an animation paints the page in every frame: of many at once nobody sees one
    if (marked && this.fresh.length === 1) this.fresh[0].className = "new";
    this.body.prepend(...this.fresh.reverse());
    this.fresh = [];
    element("events-empty").hidden = true;
    for (const [id, { line }] of this.rows) {
      if (this.rows.size <= ROWS) break;
      line.remove();
      this.rows.delete(id);
    }
  }

  build(event) {
    const row = { event, chip: make("span", "chip"), confirm: make("button", "confirm", "✓"), picker: make("select") };
    const what = `the event of ${event.device} at ${atClock(event.onset)}`;
    row.picker.setAttribute("aria-label", `Label of ${what}`);
    row.picker.append(new Option("label …", ""));
    for (const name of this.names) row.picker.append(new Option(name, name));
    row.picker.append(new Option("other …", OTHER));
    row.picker.addEventListener("change", () => this.pick(row));
    row.confirm.type = "button";
    row.confirm.addEventListener("click", () => this.say(row, row.event.prediction.label));
    const when = make("td", "", moment(event), make("small", "narrow", `${event.device} · ${lasted(event)}`));
    when.title = atDay(event.onset);
    const length = make("td", "wide", lasted(event));
    if (event.flags.length) length.append(make("small", "flag", event.flags.join(", ")));
    const label = make("td", "", make("span", "labelling", row.picker, row.confirm));
    row.line = make("tr", "", when, make("td", "wide", event.device), length, make("td", "", row.chip), label);
    return row;
  }

  fill({ event, chip, confirm, picker }) {
    const said = event.prediction;
    const told = event.label?.label;
    for (const name of [said?.label, told]) if (name !== undefined) this.learn(name);
    if (picker.value !== (told ?? "")) picker.value = told ?? "";
    picker.title = event.label?.by ? `by ${event.label.by}` : "";
    picker.classList.toggle("unset", told === undefined);
    confirm.hidden = !said || told !== undefined;
    fillChip(chip, event);
    if (!said) return;
    confirm.setAttribute("aria-label", `Yes, it is ${said.label}`);
    confirm.title = `Yes, it is ${said.label}`;
  }

  /** A label that nobody named before is offered from now on. */
  learn(name) {
    if (this.names.has(name)) return;
    this.names.add(name);
    for (const { picker } of this.rows.values()) picker.lastChild.before(new Option(name, name));
  }

  pick(row) {
    const { value } = row.picker;
    row.picker.value = row.event.label?.label ?? "";
    if (value === OTHER) ask((label) => this.say(row, label));
    else if (value) this.say(row, value);
  }

  async say(row, label) {
    const before = row.event.label;
    const focused = document.activeElement === row.confirm;
    row.event = { ...row.event, label: { label } };
    this.fill(row);
    if (focused) row.picker.focus();
    try {
      row.event = { ...row.event, label: await this.onLabel(row.event, label) };
    } catch {
      row.event = { ...row.event, label: before };
    }
    this.fill(row);
  }
}

/** When it was; it leads to the page of the event. */
function moment(event) {
  const link = make("a", "row", atClock(event.onset));
  link.href = `#/events/${event.id}`;
  return link;
}

/** Ask for a label in words. */
export function ask(then) {
  const dialog = element("other");
  element("other-label").value = "";
  dialog.returnValue = "";
  dialog.addEventListener("close", () => {
    const label = element("other-label").value.trim();
    if (dialog.returnValue === "save" && label) then(label);
  }, { once: true });
  dialog.showModal();
}
