// Which devices there are, what happens on each, and which one is watched.

import { hueOf } from "./colour.js";
import { ago, element, make } from "./words.js";

const BUTTONS = 24; // more than that, and a list is easier
const IDLE_MS = 20_000;

export class Devices {
  constructor(onChoose) {
    this.onChoose = onChoose;
    element("device").addEventListener("change", () => onChoose(element("device").value));
    this.clear();
  }

  clear() {
    this.all = new Map(); // id -> {device, button, option, open event or null}
    this.chosen = null;
    this.arrange();
  }

  has(id) { return this.all.has(id); }

  /** Take the list that the service gives; choose the liveliest when none is chosen. */
  update(list) {
    const same = list.length === this.all.size && list.every(({ id }) => this.all.has(id));
    if (!same) {
      const before = this.all;
      this.all = new Map(list.map((device) => [device.id, before.get(device.id) ?? this.build(device)]));
      this.arrange();
    }
    for (const device of list) {
      const one = this.all.get(device.id);
      one.device = device;
      const idle = !device.last_seen || Date.now() - new Date(device.last_seen) > IDLE_MS;
      one.button.classList.toggle("idle", idle);
      one.button.title = device.last_seen ? `last seen ${ago(device.last_seen)}` : "never seen";
    }
    if (list.length && !this.all.has(this.chosen)) {
      const latest = list.reduce((a, b) => ((b.last_seen ?? "") > (a.last_seen ?? "") ? b : a));
      this.onChoose(latest.id);
    }
  }

  build(device) {
    const button = make("button", "device", device.id);
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => this.onChoose(device.id));
    return { device, button, option: new Option(device.id, device.id), open: null };
  }

  arrange() {
    const all = [...this.all.values()];
    const few = all.length <= BUTTONS;
    element("devices").hidden = !few;
    element("device-field").hidden = few;
    element("devices").replaceChildren(...(few ? all.map((one) => one.button) : []));
    element("device").replaceChildren(...all.map((one) => one.option));
    this.mark(this.chosen);
  }

  mark(id) {
    this.chosen = id;
    for (const [name, { button }] of this.all) button.setAttribute("aria-pressed", String(name === id));
    if (id !== null) element("device").value = id;
  }

  /** An event is open on a device, perhaps of a class already. */
  open(id, event, label) {
    const one = this.all.get(id);
    if (!one) return;
    one.open = event;
    one.button.classList.add("open");
    if (label === undefined) one.button.style.removeProperty("--hue");
    else one.button.style.setProperty("--hue", hueOf(label));
    one.button.classList.toggle("known", label !== undefined);
  }

  closed(id, event) {
    const one = this.all.get(id);
    if (!one || one.open !== event) return;
    one.open = null;
    one.button.classList.remove("open");
  }

  /** After a broken line nobody knows what is still open. */
  forgetOpen() {
    for (const [id, { open }] of this.all) if (open !== null) this.closed(id, open);
  }

  lastSeen(id) { return this.all.get(id)?.device.last_seen ?? null; }
}
