// The page: what the API says, and what the live feed changes.

import { follow, forgetKey, get, hasKey, Problem, post, setKey, takeKeyFromLink } from "./api.js";
import { drawVersions, Strip } from "./strip.js";

const element = (id) => document.getElementById(id);
const strip = new Strip(element("strip"));
const rows = new Map(); // event id -> {event, row}
const ROWS = 200;
let profile = null;
let device = null;
let stopSignal = () => {};
let stopLive = () => {};
let arrivals = [];

function toast(text) {
  element("toast").textContent = text;
  element("toast").hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { element("toast").hidden = true; }, 6000);
}

async function guarded(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Problem && error.status === 401) showLogin("The key is not valid.");
    else toast(error.message);
    return undefined;
  }
}

function showLogin(why = "") {
  stopLive();
  stopSignal();
  forgetKey();
  element("page").hidden = true;
  element("login").hidden = false;
  element("login-error").textContent = why;
  element("link").textContent = "logged out";
  element("link").className = "link";
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

function seconds(event) {
  const length = (new Date(event.offset) - new Date(event.onset)) / 1000;
  return length < 100 ? `${length.toFixed(1)} s` : `${Math.round(length)} s`;
}

function textOf(event) {
  if (event.label) return event.label.label;
  if (!event.prediction) return "unclassified";
  const sure = `${event.prediction.label} ${Math.round(100 * event.prediction.probability)} %`;
  return event.prediction.unknown ? `unknown (${sure})` : sure;
}

function chip(event) {
  const span = document.createElement("span");
  span.className = "chip";
  if (!event.prediction) {
    span.classList.add("unknown");
    span.textContent = "unclassified";
    return span;
  }
  const { label, probability, unknown } = event.prediction;
  span.textContent = unknown ? `unknown · ${label}` : label;
  span.title = `${percent(probability)} by version ${event.prediction.model_version}`;
  if (event.label) span.classList.add(event.label.label === label ? "right" : "wrong");
  else if (unknown) span.classList.add("unknown");
  return span;
}

function labelPicker(event) {
  const select = document.createElement("select");
  select.setAttribute("aria-label", `Label of the event at ${clock.format(new Date(event.onset))}`);
  const classes = new Set(profile.classes);
  if (event.prediction) classes.add(event.prediction.label);
  if (event.label) classes.add(event.label.label);
  select.append(new Option("–", ""));
  for (const name of classes) select.append(new Option(name, name));
  select.append(new Option("other …", "\u0000"));
  select.value = event.label?.label ?? "";
  select.addEventListener("change", () => guarded(async () => {
    let label = select.value;
    if (label === "\u0000") label = (prompt("Which label?") ?? "").trim();
    if (!label) { select.value = event.label?.label ?? ""; return; }
    await post(`/events/${event.id}/labels`, { label });
    event.label = { label };
    show(event);
    refresh();
  }));
  return select;
}

function show(event, { fresh = false } = {}) {
  const row = document.createElement("tr");
  if (fresh) row.className = "new";
  const cells = [clock.format(new Date(event.onset)), event.device, seconds(event), chip(event), labelPicker(event)];
  for (const content of cells) {
    const cell = document.createElement("td");
    cell.append(content);
    row.append(cell);
  }
  if (event.flags.length) row.cells[2].title = event.flags.join(", ");
  const known = rows.get(event.id);
  if (known) known.row.replaceWith(row);
  else element("events").prepend(row);
  rows.set(event.id, { event, row });
  while (rows.size > ROWS) {
    const [oldest, { row: last }] = rows.entries().next().value;
    last.remove();
    rows.delete(oldest);
  }
  element("events-empty").hidden = rows.size > 0;
  if (event.device === device) strip.span({ ...event, text: textOf(event) });
}

async function refresh() {
  if (!profile) return;
  const [status, devices] = await Promise.all([
    get(`/profiles/${encodeURIComponent(profile.name)}/status`),
    get("/devices", { limit: 200 }),
  ]);
  element("n-devices").textContent = status.devices_connected;
  element("n-events").textContent = status.events;
  element("n-unlabelled").textContent = status.unlabelled;
  const { champion } = status;
  element("champion").textContent = champion ? `v${champion.version}` : "none yet";
  element("champion-note").textContent = champion ? `champion · ${champion.kind}` : "label events, and it trains one";
  const latest = status.accuracy.at(-1);
  element("accuracy").textContent = latest ? percent(latest.accuracy) : "–";
  element("accuracy-note").textContent = latest
    ? `of the last ${latest.n} labelled, v${latest.model_version}`
    : "accuracy, once predicted events have labels";
  drawVersions(element("versions"), status.accuracy);
  const mine = devices.items.filter((one) => one.profile === profile.name).map((one) => one.id);
  fillDevices(mine);
}

function fillDevices(names) {
  const select = element("device");
  const known = [...select.options].map((option) => option.value);
  if (names.join("\n") !== known.join("\n")) {
    select.replaceChildren(...names.map((name) => new Option(name, name)));
    if (names.includes(device)) select.value = device;
  }
  if (!names.includes(device) && names.length) watch(names[0]);
}

function watch(name) {
  stopSignal();
  device = name;
  element("device").value = name;
  strip.clear();
  element("strip-note").textContent = "Waiting for readings of this device.";
  for (const { event } of rows.values()) if (event.device === name) strip.span({ ...event, text: textOf(event) });
  stopSignal = follow(`/devices/${encodeURIComponent(name)}/signal`, {
    onMessage: (kind, block) => {
      strip.add(block);
      element("strip-note").textContent = `${block.channels.length} channels at ${block.rate_hz} readings/s`;
    },
  });
}

async function showModels() {
  const { items } = await get("/models", { profile: profile.name, limit: 20 });
  element("models").replaceChildren(...items.map((model) => {
    const item = document.createElement("li");
    if (model.state === "champion") item.className = "champion";
    const title = document.createElement("b");
    title.textContent = `v${model.version} · ${model.kind} · ${model.state}`;
    const reason = document.createElement("small");
    reason.textContent = model.reason ?? "";
    item.append(title, reason);
    return item;
  }));
}

function onLive(kind, data) {
  if (kind === "event") {
    if (data.profile !== profile.name) return;
    arrivals = [...arrivals.filter((at) => at > Date.now() - 60_000), Date.now()];
    element("rate").textContent = `${arrivals.length} in the last minute`;
    show(data, { fresh: true });
  } else if (kind === "onset") {
    if (data.device === device) strip.span({ id: data.event, boot: data.boot, onset_seq: data.onset_seq, text: "…" });
  } else if (kind === "retract") {
    strip.retract(data.event);
  } else if (kind === "prediction" && data.events) {
    if (data.profile === profile.name) guarded(loadEvents);
  } else if (kind === "prediction" && data.event && rows.has(data.event) && data.prediction) {
    const { event } = rows.get(data.event);
    show({ ...event, prediction: data.prediction });
  } else if (kind === "label" && rows.has(data.event)) {
    const { event } = rows.get(data.event);
    show({ ...event, label: { label: data.label, by: data.by } });
  } else if (kind === "model") {
    guarded(showModels);
    guarded(refresh);
  } else if (kind === "job" && data.profile === profile.name) {
    const words = { queued: "Waiting to train", running: `Training: ${data.stage ?? ""}`, failed: "Training failed" };
    element("job").textContent = words[data.state] ?? "";
    if (data.state === "succeeded") guarded(showModels);
  }
}

async function loadEvents() {
  const page = await get("/events", { profile: profile.name, order: "desc", limit: 50 });
  for (const event of page.items.reverse()) show(event);
}

async function open(name) {
  profile = await get(`/profiles/${encodeURIComponent(name)}`);
  rows.clear();
  element("events").replaceChildren();
  device = null;
  await loadEvents();
  element("events-empty").hidden = rows.size > 0;
  await Promise.all([refresh(), showModels()]);
}

async function start() {
  element("login").hidden = true;
  element("page").hidden = false;
  const { items } = await get("/profiles");
  const select = element("profile");
  select.replaceChildren(...items.map((one) => new Option(one.name, one.name)));
  if (!items.length) {
    element("strip-note").textContent = "No profile yet: register one with PUT /profiles/{name}.";
    setTimeout(() => guarded(start), 2000);
    return;
  }
  await open(items[0].name);
  stopLive();
  stopLive = follow("/live", {
    onMessage: (kind, data) => onLive(kind, data),
    onState: (state, error) => {
      element("link").textContent = state === "live" ? "live" : "reconnecting";
      element("link").className = `link ${state}`;
      if (error?.status === 401) showLogin("The key is not valid.");
    },
  });
}

element("profile").addEventListener("change", () => guarded(() => open(element("profile").value)));
element("device").addEventListener("change", () => watch(element("device").value));
element("retrain").addEventListener("click", () => guarded(async () => {
  const job = await post("/retrain", { profile: profile.name });
  element("job").textContent = `Retrain ${job.state}`;
}));
element("login").addEventListener("submit", (submit) => {
  submit.preventDefault();
  setKey(element("key").value);
  guarded(start);
});
setInterval(() => { if (!element("page").hidden && !document.hidden) guarded(refresh); }, 2000);

takeKeyFromLink();
if (hasKey()) guarded(start);
else showLogin();
