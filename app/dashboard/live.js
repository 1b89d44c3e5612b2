// The first page: what happens now, and what the live feed changes of it.

import { follow, get, post } from "./api.js";
import { Devices } from "./devices.js";
import { classOf, Events, inWords } from "./events.js";
import { showJob, showModels } from "./models.js";
import { showStatus } from "./status.js";
import { Strip } from "./strip.js";
import { ago, element, number, percent, toast } from "./words.js";

const FIRST_EVENTS = 50;
const MINUTE_MS = 60_000;

export class Live {
  /** `session` knows the open profile and says what failed: see main.js. */
  constructor(session) {
    this.session = session;
    this.strip = new Strip(element("strip"));
    this.devices = new Devices((id) => this.watch(id));
    this.events = new Events((event, said) => this.label(event, said));
    this.arrivals = [];
    this.shown = true;
    this.stopSignal = () => {};
  }

  get profile() { return this.session.profile; }

  begin() {
    this.events.clear(this.profile.classes);
    this.devices.clear();
    this.arrivals = [];
    element("rate").textContent = "";
    element("strip-note").textContent = "No device of this profile yet";
  }

  leave() {
    this.stopSignal();
    this.strip.clear();
  }

  /** Another page is looked at: its readings are worth nothing then. */
  show(shown) {
    if (shown === this.shown) return;
    this.shown = shown;
    element("page").hidden = !shown;
    if (!shown) this.leave();
    else if (this.devices.chosen !== null) this.watch(this.devices.chosen);
  }

  /** Look at everything: at the beginning and whenever the line was broken. */
  async reload() {
    await Promise.all([this.refresh(), this.loadEvents(), this.loadModels(), this.loadJob(), this.loadDevices()]);
  }

  async tick() {
    if (this.shown) await Promise.all([this.refresh(), this.loadDevices()]);
    const minute = Date.now() - MINUTE_MS;
    this.arrivals = this.arrivals.filter((at) => at > minute);
    element("rate").textContent = this.arrivals.length ? `${this.arrivals.length} in the last minute` : "";
  }

  async refresh() {
    const status = await this.session.ofProfile(`/profiles/${encodeURIComponent(this.profile.name)}/status`);
    if (!status) return;
    showStatus(status);
    if (status.devices !== this.devices.all.size) await this.loadDevices();
  }

  async loadDevices() {
    const list = await this.session.devices();
    if (list) this.devices.update(list);
  }

  async loadEvents() {
    const query = { profile: this.profile.name, order: "desc", limit: FIRST_EVENTS };
    const page = await this.session.ofProfile("/events", query);
    for (const event of page?.items.reverse() ?? []) this.add(event);
  }

  async loadModels() {
    const page = await this.session.ofProfile("/models", { profile: this.profile.name, limit: 20 });
    if (page) showModels(page.items);
  }

  async loadJob() {
    const page = await this.session.ofProfile("/jobs", { profile: this.profile.name, limit: 1 });
    if (page) showJob(page.items[0] ?? null);
  }

  add(event, options) {
    this.events.show(event, options);
    this.devices.closed(event.device, event.id);
    if (event.device === this.devices.chosen) this.shade(event);
  }

  /** Somebody said elsewhere on the page what an event is. */
  labelled(id, told) {
    const event = this.events.get(id);
    if (event) this.add({ ...event, label: told });
  }

  shade(event) {
    const { boot, onset_seq, offset_seq } = event;
    this.strip.span(event.id, { boot, onset_seq, offset_seq, label: classOf(event), text: inWords(event) });
  }

  watch(id) {
    this.stopSignal();
    this.devices.mark(id);
    if (!this.shown) return;
    this.strip.clear();
    for (const event of this.events.of(id)) this.shade(event);
    const seen = this.devices.lastSeen(id);
    element("strip-note").textContent = `Waiting for readings of ${id}; last seen ${seen ? ago(seen) : "never"}`;
    this.stopSignal = follow(`/devices/${encodeURIComponent(id)}/signal`, {
      onMessage: (kind, block) => {
        if (kind !== "signal" || id !== this.devices.chosen) return;
        if (block.boot !== this.strip.boot) element("strip-note").textContent = this.about(block);
        this.strip.add(block);
      },
    });
  }

  about({ channels, rate_hz }) {
    const units = [...new Set(this.profile.channels.map((one) => one.unit))].filter((unit) => unit !== "1");
    const unit = units.length ? ` (${units.join(", ")})` : "";
    return `${channels.length} channel${channels.length > 1 ? "s" : ""}${unit} · ${number(rate_hz)} readings/s`;
  }

  async label(event, said) {
    try {
      return await post(`/events/${event.id}/labels`, { label: said });
    } catch (error) {
      this.session.failed(error);
      throw error;
    }
  }

  async retrain() {
    showJob(await post("/retrain", { profile: this.profile.name }));
  }

  heard(kind, data) {
    const { guarded } = this.session;
    if (kind === "event") {
      this.arrivals.push(Date.now());
      this.add(data, { fresh: true });
      if (!this.devices.has(data.device)) guarded(() => this.loadDevices());
    } else if (kind === "onset") {
      this.opened(data, { onset_seq: data.onset_seq, text: "…" });
    } else if (kind === "retract") {
      this.devices.closed(data.device, data.event);
      this.strip.retract(data.event);
    } else if (kind === "prediction" && data.provisional) {
      const { label: name, probability, unknown } = data.prediction;
      const known = unknown ? undefined : name;
      this.opened(data, { label: known, text: `${name}? ${percent(probability)}` }, known);
    } else if (kind === "prediction") {
      const event = this.events.get(data.event); // it had to wait for a model
      if (event && !event.prediction) this.add({ ...event, prediction: data.prediction });
    } else if (kind === "label") {
      this.labelled(data.event, data.label ? { label: data.label, by: data.by } : null);
    } else if (kind === "model") {
      guarded(() => Promise.all([this.loadModels(), this.refresh()]));
    } else if (kind === "job") {
      if (data.state === "queued" || data.state === "running") showJob(data);
      else guarded(() => Promise.all([this.loadJob(), this.loadModels()])); // with its result
    } else if (kind === "error" && data.title) {
      toast(data.detail ?? data.title);
    }
  }

  /** An event is going on. */
  opened(data, part, name) {
    if (this.events.get(data.event)) return; // it ended meanwhile
    this.devices.open(data.device, data.event, name);
    if (data.device !== this.devices.chosen) return;
    if (part.onset_seq === undefined && !this.strip.spans.has(data.event)) return; // began before we looked
    this.strip.span(data.event, { boot: data.boot, ...part });
  }
}
