// The page: what the API says, and what the live feed changes.

import { Away, follow, forgetKey, get, hasKey, post, Problem, setKey, takeKeyFromLink } from "./api.js";
import { assignHues } from "./colour.js";
import { Desk } from "./desk.js";
import { Devices } from "./devices.js";
import { classOf, Events, inWords } from "./events.js";
import { showJob, showModels } from "./models.js";
import { showStatus } from "./status.js";
import { Strip } from "./strip.js";
import { ago, element, number, percent, toast } from "./words.js";

const REFRESH_MS = 2000;
const FIRST_EVENTS = 50;
const LAST_PROFILE = "onset.profile";

const strip = new Strip(element("strip"));
const devices = new Devices(watch);
const events = new Events(label);
const desk = new Desk(() => events.names, (event, told) => {
  const known = events.get(event.id);
  if (known) show({ ...known, label: told });
});
let names = []; // of the profiles
let profile = null;
let opened = 0; // counts opened profiles: what an older one still answers is dropped
let stopSignal = () => {};
let stopLive = () => {};
let arrivals = [];
let busy = false;

/** Do what may fail; say how it failed. */
async function guarded(work) {
  try {
    return await work();
  } catch (error) {
    failed(error);
    return undefined;
  }
}

function failed(error, { quiet = false } = {}) {
  if (error instanceof Problem && error.status === 401) showLogin("This key is not valid.");
  else if (error instanceof Away && quiet) showLink("down");
  else toast(error.message);
}

function showLogin(why = "") {
  leave();
  forgetKey();
  names = [];
  for (const id of ["page", "nothing", "logout", "profile-field"]) element(id).hidden = true;
  element("login").hidden = false;
  element("login-error").textContent = why;
  element("key").value = "";
  element("key").focus();
  showLink("out");
}

function showLink(state) {
  const words = { live: "live", down: "reconnecting", out: "logged out" };
  if (element("link").textContent === words[state]) return;
  element("link").textContent = words[state];
  element("link").className = `link ${state}`;
}

function leave() {
  opened += 1;
  profile = null;
  stopLive();
  stopSignal();
  strip.clear();
}

/** With a key: find the profiles; again until there is one. */
async function enter() {
  let page;
  try {
    page = await get("/profiles");
  } catch (error) {
    if (error.status === 403) showLogin("This key may not see the dashboard: it takes a viewer's.");
    else failed(error, { quiet: true });
    return;
  }
  element("login").hidden = true;
  element("logout").hidden = false;
  element("nothing").hidden = page.items.length > 0;
  if (!page.items.length) {
    showLink("live");
    return;
  }
  showProfiles(page.items);
  await open(await likeliest());
}

/** The profile that was looked at last, or whose device was heard last, or any. */
async function likeliest() {
  const last = sessionStorage.getItem(LAST_PROFILE);
  if (names.includes(last)) return last;
  const { items } = await get("/devices", { limit: 200 });
  items.sort((a, b) => (b.last_seen ?? "").localeCompare(a.last_seen ?? ""));
  return items.find((one) => one.last_seen && names.includes(one.profile))?.profile ?? names[0];
}

function showProfiles(items) {
  if (items.map((one) => one.name).join("\n") === names.join("\n")) return;
  names = items.map((one) => one.name);
  element("profile").replaceChildren(...names.map((name) => new Option(name, name)));
  element("profile-field").hidden = false;
  if (profile) element("profile").value = profile.name;
}

async function open(name) {
  leave();
  const mine = opened;
  const found = await get(`/profiles/${encodeURIComponent(name)}`);
  if (mine !== opened) return;
  profile = found;
  assignHues(profile.classes);
  events.clear(profile.classes);
  devices.clear();
  arrivals = [];
  element("rate").textContent = "";
  element("profile").value = name;
  sessionStorage.setItem(LAST_PROFILE, name);
  element("strip-note").textContent = "No device of this profile yet";
  element("page").hidden = false;
  const query = new URLSearchParams({ profile: name });
  stopLive = follow(`/live?${query}`, {
    onMessage: (kind, data) => { if (mine === opened) happened(kind, data); },
    onState: (state, error) => {
      if (mine !== opened) return;
      if (state === "refused") failed(error);
      else showLink(state);
      if (state === "live") {
        devices.forgetOpen();
        guarded(reload);
      }
    },
  });
  await reload();
}

/** Look at everything: at the beginning and whenever the line was broken. */
async function reload() {
  await Promise.all([refresh(), loadEvents(), loadModels(), loadJob(), loadDevices()]);
}

/** Ask for something of the open profile; undefined when another was opened meanwhile. */
async function ofProfile(path, query) {
  const mine = opened;
  const answer = await get(path, query);
  return mine === opened ? answer : undefined;
}

async function refresh() {
  const status = await ofProfile(`/profiles/${encodeURIComponent(profile.name)}/status`);
  if (!status) return;
  showStatus(status);
  if (status.devices !== devices.all.size) await loadDevices();
}

async function loadDevices() {
  const mine = opened;
  const list = [];
  let cursor = null;
  do {
    const page = await get("/devices", cursor ? { limit: 200, cursor } : { limit: 200 });
    list.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && list.length < 2000);
  if (mine === opened) devices.update(list.filter((one) => one.profile === profile.name));
}

async function loadEvents() {
  const page = await ofProfile("/events", { profile: profile.name, order: "desc", limit: FIRST_EVENTS });
  for (const event of page?.items.reverse() ?? []) show(event);
}

async function loadModels() {
  const page = await ofProfile("/models", { profile: profile.name, limit: 20 });
  if (page) showModels(page.items);
}

async function loadJob() {
  const page = await ofProfile("/jobs", { profile: profile.name, limit: 1 });
  if (page) showJob(page.items[0] ?? null);
}

function show(event, options) {
  events.show(event, options);
  devices.closed(event.device, event.id);
  if (event.device === devices.chosen) shade(event);
}

function shade(event) {
  const { boot, onset_seq, offset_seq } = event;
  strip.span(event.id, { boot, onset_seq, offset_seq, label: classOf(event), text: inWords(event) });
}

function watch(id) {
  stopSignal();
  devices.mark(id);
  strip.clear();
  for (const event of events.of(id)) shade(event);
  const seen = devices.lastSeen(id);
  element("strip-note").textContent = `Waiting for readings of ${id}; last seen ${seen ? ago(seen) : "never"}`;
  stopSignal = follow(`/devices/${encodeURIComponent(id)}/signal`, {
    onMessage: (kind, block) => {
      if (kind !== "signal" || id !== devices.chosen) return;
      if (block.boot !== strip.boot) element("strip-note").textContent = about(block);
      strip.add(block);
    },
  });
}

function about({ channels, rate_hz }) {
  const units = [...new Set(profile.channels.map((one) => one.unit))].filter((unit) => unit !== "1");
  const unit = units.length ? ` (${units.join(", ")})` : "";
  return `${channels.length} channel${channels.length > 1 ? "s" : ""}${unit} · ${number(rate_hz)} readings/s`;
}

async function label(event, said) {
  try {
    return await post(`/events/${event.id}/labels`, { label: said });
  } catch (error) {
    failed(error);
    throw error;
  }
}

function happened(kind, data) {
  if (kind === "event") {
    const minute = Date.now() - 60_000;
    arrivals = [...arrivals.filter((at) => at > minute), Date.now()];
    show(data, { fresh: true });
    if (!devices.has(data.device)) guarded(loadDevices);
  } else if (kind === "onset") {
    openEvent(data, { onset_seq: data.onset_seq, text: "…" });
  } else if (kind === "retract") {
    devices.closed(data.device, data.event);
    strip.retract(data.event);
  } else if (kind === "prediction" && data.provisional) {
    const { label: name, probability, unknown } = data.prediction;
    const known = unknown ? undefined : name;
    openEvent(data, { label: known, text: `${name}? ${percent(probability)}` }, known);
  } else if (kind === "prediction") {
    const event = events.get(data.event); // it had to wait for a model
    if (event && !event.prediction) show({ ...event, prediction: data.prediction });
  } else if (kind === "label") {
    const event = events.get(data.event);
    if (event) show({ ...event, label: { label: data.label, by: data.by } });
  } else if (kind === "model") {
    guarded(() => Promise.all([loadModels(), refresh()]));
  } else if (kind === "job") {
    if (data.state === "queued" || data.state === "running") showJob(data);
    else guarded(() => Promise.all([loadJob(), loadModels()])); // with its result
  } else if (kind === "error" && data.title) {
    toast(data.detail ?? data.title);
  }
}

function openEvent(data, part, name) {
  if (events.get(data.event)) return; // it ended meanwhile
  devices.open(data.device, data.event, name);
  if (data.device !== devices.chosen) return;
  if (part.onset_seq === undefined && !strip.spans.has(data.event)) return; // began before we looked
  strip.span(data.event, { boot: data.boot, ...part });
}

async function tick() {
  if (busy || document.hidden || !hasKey() || !element("login").hidden) return;
  busy = true;
  try {
    await (profile ? Promise.all([refresh(), loadDevices()]) : enter());
    const minute = Date.now() - 60_000;
    arrivals = arrivals.filter((at) => at > minute);
    element("rate").textContent = arrivals.length ? `${arrivals.length} in the last minute` : "";
  } catch (error) {
    failed(error, { quiet: true });
  } finally {
    busy = false;
  }
}

element("profile").addEventListener("change", () => guarded(() => open(element("profile").value)));
element("logout").addEventListener("click", () => showLogin());
element("retrain").addEventListener("click", () => guarded(async () => {
  showJob(await post("/retrain", { profile: profile.name }));
}));
element("label-some").addEventListener("click", () => guarded(() => desk.open(profile.name)));
addEventListener("keydown", (press) => {
  const typing = press.target.closest?.("input, select, textarea, dialog");
  if (press.key !== "l" || press.ctrlKey || press.metaKey || press.altKey || typing || !profile) return;
  press.preventDefault();
  guarded(() => desk.open(profile.name));
});
element("login").addEventListener("submit", (submit) => {
  submit.preventDefault();
  setKey(element("key").value);
  element("login-error").textContent = "";
  guarded(enter);
});
addEventListener("hashchange", () => { if (takeKeyFromLink()) guarded(enter); });
setInterval(tick, REFRESH_MS);

takeKeyFromLink();
if (hasKey()) guarded(enter);
else showLogin();
