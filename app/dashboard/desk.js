// The desk: one event at a time, labelled by keyboard; the service says which is next.

import { Away, get, post } from "./api.js";
import { choices, NOTHING } from "./choices.js";
import { Clusters } from "./clusters.js";
import { ask } from "./events.js";
import { atClock, element, lasted, toast } from "./words.js";
import { worthOf } from "./verdict.js";
import { WindowView } from "./window.js";

const AHEAD = 20; // events fetched at once

export class Desk {
  /** `classes()` gives the names that are offered; `onLabel(event, label)` hears of each. */
  constructor(classes, onLabel) {
    this.classes = classes;
    this.onLabel = onLabel;
    this.dialog = element("desk");
    this.view = new WindowView(element("desk-window"));
    this.dialog.addEventListener("keydown", (press) => this.press(press));
    this.dialog.addEventListener("close", () => { this.profile = null; });
    element("desk-close").addEventListener("click", () => this.dialog.close());
    element("desk-undo").addEventListener("click", () => this.undo());
    element("desk-skip").addEventListener("click", () => this.skip());
    element("desk-nothing").addEventListener("click", () => this.say(NOTHING));
    element("desk-other").addEventListener("click", () => ask((label) => this.say(label)));
    this.clusters = new Clusters((cluster) => this.pick(cluster));
  }

  async open(profile) {
    this.profile = profile;
    this.waiting = []; // of the queue, best first
    this.asked = new Set(); // shown in this sitting: skipped ones do not come again
    this.done = []; // labelled in this sitting, newest last
    this.shown = null;
    this.busy = false;
    this.dialog.showModal();
    element("desk-clusters").hidden = true;
    element("desk-worth").textContent = "";
    this.guarded(() => this.tellWorth(profile));
    this.guarded(() => this.clusters.load(profile));
    await this.next();
  }

  /** Say what more labels are worth, by the newest version that knows. */
  async tellWorth(profile) {
    const { items } = await get("/models", { profile, limit: 20 });
    const worth = items.map(({ report }) => worthOf(report)).find(Boolean);
    if (profile === this.profile) element("desk-worth").textContent = worth ?? "";
  }

  /** Look at the most typical event of a cluster; what is said is said of all of them. */
  async pick(cluster) {
    if (this.busy) return;
    if (this.shown && !this.shown.cluster) this.waiting.unshift(this.shown);
    const reason = `The most typical of ${cluster.size} unknown events that are alike: your label is for all of them.`;
    await this.show({ event: cluster.example, reason, audit: false, cluster });
  }

  async next() {
    this.shown = null; // a key that comes too early means nothing
    if (!this.waiting.length) await this.fetch();
    const item = this.waiting.shift() ?? null;
    await this.show(item);
  }

  async fetch() {
    const profile = this.profile;
    const page = await this.guarded(() => get("/labels/queue", { profile, limit: AHEAD + this.skipped }));
    if (profile !== this.profile) return;
    this.waiting = (page?.items ?? []).filter(({ event }) => !this.asked.has(event.id)).slice(0, AHEAD);
  }

  /** How many that were passed over still stand in the queue. */
  get skipped() {
    return Math.min(80, this.asked.size - this.done.length);
  }

  async show(item) {
    this.shown = item;
    this.view.clear();
    element("desk-count").textContent = `${this.done.length} labelled`;
    element("desk-undo").disabled = !this.done.length;
    element("desk-event").hidden = !item;
    element("desk-empty").hidden = Boolean(item);
    this.clusters.choose(item?.cluster);
    this.dialog.dataset.event = item?.event.id ?? "";
    this.dialog.dataset.onsetSeq = item?.event.onset_seq ?? "";
    if (!item) {
      element("desk-close").focus();
      return;
    }
    const { event, reason, audit } = item;
    if (!item.cluster) this.asked.add(event.id);
    element("desk-what").textContent = `${event.device} · ${atClock(event.onset)} · ${lasted(event)}`;
    element("desk-why").textContent = reason;
    element("desk-why").classList.toggle("audit", audit);
    this.offer(event);
    const found = await this.guarded(() => get(`/events/${event.id}/window`));
    if (this.shown !== item || !found) return;
    this.view.show(found);
  }

  offer(event) {
    const buttons = choices(this.classes(), event, (name) => this.say(name));
    element("desk-choices").replaceChildren(...buttons);
    (buttons.find((one) => one.classList.contains("predicted")) ?? buttons[0])?.focus();
  }

  press(press) {
    if (press.ctrlKey || press.metaKey || press.altKey || !this.shown) return;
    const key = press.key.toLowerCase();
    const choice = element("desk-choices").children["123456789".indexOf(key)];
    if (choice) choice.click();
    else if (key === "n") this.say(NOTHING);
    else if (key === "o") ask((label) => this.say(label));
    else if (key === "u") this.skip();
    else if (key === "z") this.undo();
    else return;
    press.preventDefault();
  }

  async say(label) {
    const item = this.shown;
    if (this.busy || !item) return;
    this.busy = true;
    const told = await this.guarded(() => (item.cluster ? this.sayAll(item.cluster, label) : post(`/events/${item.event.id}/labels`, { label })));
    this.busy = false;
    if (!told || this.shown !== item) return;
    this.done.push(item);
    this.onLabel(item.event, told);
    if (item.cluster) await this.named(item.cluster, label);
    await this.next();
  }

  async sayAll({ members }, label) {
    await post("/labels", { labels: members.map((event) => ({ event, label })) });
    return { label };
  }

  /** A cluster has its name: its events wait no more. */
  async named(cluster, label) {
    toast(`${cluster.size} events are ${label}.`, { good: true });
    const members = new Set(cluster.members);
    this.waiting = this.waiting.filter(({ event }) => !members.has(event.id));
    await this.guarded(() => this.clusters.load(this.profile));
  }

  async skip() {
    if (!this.busy && this.shown) await this.next();
  }

  /** Withdraw the newest label, and show its event again. */
  async undo() {
    if (this.busy || !this.done.length) return;
    this.busy = true;
    const item = this.done.at(-1);
    const told = await this.guarded(() => this.withdraw(item));
    this.busy = false;
    if (!told) return;
    this.done.pop();
    if (item.cluster) await this.guarded(() => this.clusters.load(this.profile));
    if (this.shown) this.waiting.unshift(this.shown);
    this.onLabel(item.event, null);
    await this.show(item);
  }

  async withdraw({ event, cluster }) {
    for (const id of cluster?.members ?? [event.id]) await post(`/events/${id}/labels`, { label: "" });
    return true;
  }

  async guarded(work) {
    try {
      return await work();
    } catch (error) {
      toast(error instanceof Away ? "The service cannot be reached." : error.message);
      return undefined;
    }
  }
}
