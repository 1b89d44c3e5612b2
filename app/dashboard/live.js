// The first page: what happens now, and what the live feed changes of it.

import { follow, get, post } from "./api.js";
import { Devices, MOST_TILES } from "./devices.js";
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
    this.keys = new Map([["j", () => this.devices.step(1)], ["k", () => this.devices.step(-1)]]);
    this.stopSignals = () => {};
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
    this.stopSignals();
    this.following = null;
    this.devices.shown = false;
    this.strip.clear();
  }

  /** Another page is looked at: its readings are worth nothing then. */
  show(shown) {
    if (shown === this.shown) return;
    this.shown = shown;
    element("page").hidden = !shown;
    this.devices.shown = shown;
    if (!shown) this.leave();
    else if (this.devices.chosen !== null) this.watch(this.devices.chosen);
    if (shown && this.profile) this.follow();
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
    if (!list) return;
    this.devices.update(list);
    if (this.shown) this.follow();
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
    this.shade(event);
    const tile = this.devices.tiles.get(event.device);
    if (tile && tile.open === null) tile.say(inWords(event), classOf(event));
  }

  /** Somebody said elsewhere on the page what an event is. */
  labelled(id, told) {
    const event = this.events.get(id);
    if (event) this.add({ ...event, label: told });
  }

  shade(event) {
    const { boot, onset_seq, offset_seq } = event;
    const part = { boot, onset_seq, offset_seq, label: classOf(event), text: inWords(event) };
    this.devices.tiles.get(event.device)?.span(event.id, part);
    if (event.device === this.devices.chosen) this.strip.span(event.id, part);
  }

  /** Look closely at a device. */
  watch(id) {
    this.devices.mark(id);
    if (!this.shown) return;
    this.strip.clear();
    const tile = this.devices.tiles.get(id);
    const seen = this.devices.lastSeen(id);
    if (tile?.ring?.size) {
      this.strip.adopt(tile);
      element("strip-note").textContent = this.describe(tile.about);
    } else {
      element("strip-note").textContent = `Waiting for readings of ${id}; last seen ${seen ? ago(seen) : "never"}`;
    }
    for (const event of this.events.of(id)) this.shade(event);
    for (const [event, span] of tile?.spans ?? []) if (!this.strip.spans.has(event)) this.strip.span(event, span);
    if (this.devices.all.size > MOST_TILES) this.follow(); // it may have no tile
  }

  /** Hear the readings of all devices in one stream; of many, those that are shown. */
  follow() {
    const asked = new URLSearchParams();
    const { all, tiles, chosen } = this.devices;
    if (all.size <= MOST_TILES) asked.append("profile", this.profile.name);
    else for (const id of new Set([...tiles.keys(), chosen])) asked.append("device", id);
    const path = `/signals?${asked}`;
    if (path === this.following) return;
    this.stopSignals();
    this.following = path;
    for (const tile of tiles.values()) tile.begin();
    this.stopSignals = follow(path, {
      onMessage: (kind, data) => {
        if (path !== this.following) return;
        if (kind === "signals") data.blocks.forEach((block) => this.received(block));
        else if (kind === "hello") this.channels = data.profiles;
        else if (kind === "dropped") this.devices.missed(data.frames);
      },
    });
  }

  received(block) {
    const names = this.channels[block.profile]?.channels.map((one) => one.name);
    if (!names) return;
    this.devices.tiles.get(block.device)?.add(block, names);
    if (block.device !== this.devices.chosen) return;
    if (block.boot !== this.strip.boot) element("strip-note").textContent = this.describe({ ...block, names });
    this.strip.add(block, names);
  }

  describe({ names, rate_hz }) {
    const units = [...new Set(this.profile.channels.map((one) => one.unit))].filter((unit) => unit !== "1");
    const unit = units.length ? ` (${units.join(", ")})` : "";
    return `${this.devices.chosen} · ${names.length} channel${names.length > 1 ? "s" : ""}${unit} · ${number(rate_hz)} readings/s`;
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
      this.devices.tiles.get(data.device)?.retract(data.event);
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
    this.devices.open(data.device, data.event, name, part.text);
    const tile = this.devices.tiles.get(data.device);
    if (part.onset_seq === undefined && !tile?.spans.has(data.event)) return; // began before we looked
    tile?.span(data.event, { boot: data.boot, ...part });
    if (data.device === this.devices.chosen) this.strip.span(data.event, { boot: data.boot, ...part });
  }
}
