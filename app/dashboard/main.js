// The session: who is logged in, which profile is open, what the live feed says of it.

import { Away, follow, forgetKey, get, hasKey, Problem, setKey, takeKeyFromLink } from "./api.js";
import { assignHues } from "./colour.js";
import { Desk } from "./desk.js";
import { Live } from "./live.js";
import { Router } from "./router.js";
import { element, toast } from "./words.js";

const REFRESH_MS = 2000;
const MOST_DEVICES = 2000;
const LAST_PROFILE = "onset.profile";

/** What the pages know of where they are. */
const session = {
  profile: null,
  names: [], // of the profiles
  opened: 0, // counts opened profiles: what an older one still answers is dropped
  failed,
  guarded,
  ofProfile,
  devices: devicesOfProfile,
  labelled: (id, told) => live.labelled(id, told),
};
const live = new Live(session);
const router = new Router(session, live);
const desk = new Desk(() => live.events.names, (event, told) => session.labelled(event.id, told));
let stopLive = () => {};
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

/** Ask for something of the open profile; undefined when another was opened meanwhile. */
async function ofProfile(path, query) {
  const mine = session.opened;
  const answer = await get(path, query);
  return mine === session.opened ? answer : undefined;
}

/** The devices of the open profile; undefined when another was opened meanwhile. */
async function devicesOfProfile() {
  const mine = session.opened;
  const list = [];
  let cursor = null;
  do {
    const page = await get("/devices", { limit: 200, cursor });
    list.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && list.length < MOST_DEVICES);
  return mine === session.opened ? list.filter((one) => one.profile === session.profile.name) : undefined;
}

function showLogin(why = "") {
  leave();
  forgetKey();
  session.names = [];
  for (const id of ["nothing", "logout", "profile-field", "nav"]) element(id).hidden = true;
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
  session.opened += 1;
  session.profile = null;
  stopLive();
  router.leave();
  live.leave();
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
  const { names } = session;
  const last = sessionStorage.getItem(LAST_PROFILE);
  if (names.includes(last)) return last;
  const { items } = await get("/devices", { limit: 200 });
  items.sort((a, b) => (b.last_seen ?? "").localeCompare(a.last_seen ?? ""));
  return items.find((one) => one.last_seen && names.includes(one.profile))?.profile ?? names[0];
}

function showProfiles(items) {
  session.names = items.map((one) => one.name);
  element("profile").replaceChildren(...session.names.map((name) => new Option(name, name)));
  element("profile-field").hidden = false;
}

async function open(name) {
  leave();
  const mine = session.opened;
  const found = await get(`/profiles/${encodeURIComponent(name)}`);
  if (mine !== session.opened) return;
  session.profile = found;
  assignHues(found.classes);
  live.begin();
  element("profile").value = name;
  sessionStorage.setItem(LAST_PROFILE, name);
  element("nav").hidden = false;
  stopLive = follow(`/live?${new URLSearchParams({ profile: name })}`, {
    onMessage: (kind, data) => {
      if (mine !== session.opened) return;
      live.heard(kind, data);
      router.heard(kind, data);
    },
    onState: (state, error) => {
      if (mine !== session.opened) return;
      if (state === "refused") failed(error);
      else showLink(state);
      if (state === "live") {
        live.devices.forgetOpen();
        guarded(() => live.reload());
      }
    },
  });
  router.show();
  await live.reload();
}

async function tick() {
  if (busy || document.hidden || !hasKey() || !element("login").hidden) return;
  busy = true;
  try {
    await (session.profile ? live.tick() : enter());
  } catch (error) {
    failed(error, { quiet: true });
  } finally {
    busy = false;
  }
}

const label = () => guarded(() => desk.open(session.profile.name));

element("profile").addEventListener("change", () => guarded(() => open(element("profile").value)));
element("logout").addEventListener("click", () => showLogin());
element("retrain").addEventListener("click", () => guarded(() => live.retrain()));
element("label-some").addEventListener("click", label);
element("login").addEventListener("submit", (submit) => {
  submit.preventDefault();
  setKey(element("key").value);
  element("login-error").textContent = "";
  guarded(enter);
});
addEventListener("hashchange", () => {
  if (takeKeyFromLink()) guarded(enter);
  else if (session.profile) router.show();
});
router.keys.set("l", label);
setInterval(tick, REFRESH_MS);

takeKeyFromLink();
if (hasKey()) guarded(enter);
else showLogin();
