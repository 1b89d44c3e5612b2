// The devices: which there are, whether they stream, their keys.

import { get, post, put, remove } from "../api.js";
import { askFor, showSecret } from "../dialog.js";
import { Endless } from "../endless.js";
import { ago, atDay, button, make, shortly, toast } from "../words.js";

const STREAMING_MS = 15_000; // as the service counts them
const REFRESH_MS = 5000;
const NAME = "[A-Za-z0-9][A-Za-z0-9_.:\\-]{0,63}";

export function openDevices(place, _, session) {
  const list = new Endless({
    label: "Devices, by name",
    heads: [["Device", ""], ["State", ""], ["Profile", "wide"], ["Last seen", "wide"], ["Since", "wide"], ["", "acts"]],
    empty: "No device yet. One is registered here, or by PUT /devices/{id}.",
    fetch: (page) => get("/devices", page),
    row: (device) => line(device),
  });

  function line(device) {
    const link = make("a", "row", device.id);
    link.href = `#/events?device=${encodeURIComponent(device.id)}`;
    link.title = "Its events";
    const made = make("tr", "", make("td", "", link), make("td"), make("td", "wide", device.profile),
      make("td", "wide"), make("td", "wide", shortly(device.created_at)), make("td", "acts"));
    made.dataset.device = device.id;
    show(made, device);
    if (device.last_seen) made.cells[3].title = atDay(device.last_seen);
    return made;
  }

  /** What may change of a line. */
  function show(row, device) {
    row.cells[1].replaceChildren(state(device));
    row.cells[3].textContent = device.last_seen ? ago(device.last_seen) : "never";
    const held = String(device.paused !== null);
    if (row.dataset.paused === held) return; // who stands on a button stays there
    row.dataset.paused = held;
    const act = (name, words, work) => {
      const made = button(name, () => session.guarded(work), "quiet");
      made.setAttribute("aria-label", words);
      return made;
    };
    row.cells[5].replaceChildren(make("span", "",
      device.paused ? act("Resume", `Resume ${device.id}`, () => resume(device)) : act("Pause", `Pause ${device.id}`, () => pause(device)),
      act("Key", `Make a key for ${device.id}`, () => makeKey(device)),
      act("Delete", `Delete ${device.id}`, () => erase(device))));
  }

  async function pause({ id }) {
    const asked = await askFor({
      title: `Pause ${id}`, act: "Pause",
      text: "Its readings are not taken until it is resumed: its socket is closed (4423), and it keeps them until then.",
      fields: [{ name: "reason", label: "Why" }],
    });
    if (!asked) return;
    after(await post(`/devices/${encodeURIComponent(id)}/pause`, { reason: asked.reason }), `${id} is paused.`);
  }

  async function resume({ id }) {
    const { paused } = await get(`/devices/${encodeURIComponent(id)}`);
    const why = paused ? `Paused by ${paused.by} ${ago(paused.at)}: ${paused.reason}. ` : "";
    const asked = await askFor({
      title: `Resume ${id}`, act: "Resume", fields: [],
      text: `${why}Its readings are taken again; it goes on where it was.`,
    });
    if (!asked) return;
    after(await post(`/devices/${encodeURIComponent(id)}/resume`, {}), `${id} is resumed.`);
  }

  /** Show what became of a device, and stay on its line. */
  function after(device, said) {
    toast(said, { good: true });
    const row = list.body.querySelector(`[data-device="${CSS.escape(device.id)}"]`);
    if (!row) return;
    show(row, device);
    row.cells[5].querySelector("button").focus();
  }

  async function register() {
    const asked = await askFor({
      title: "Register a device", act: "Register",
      fields: [
        { name: "id", label: "Name", pattern: NAME, hint: "Letters, digits and _ . : - ; at most 64." },
        { name: "profile", label: "Profile", options: session.names, value: session.profile.name },
      ],
    });
    if (!asked) return;
    await put(`/devices/${encodeURIComponent(asked.id)}`, { profile: asked.profile });
    await list.begin();
    await makeKey(asked);
  }

  async function makeKey({ id }) {
    const asked = await askFor({
      title: `A key for ${id}`, act: "Make the key",
      text: "The device sends it when it opens its socket. Its other keys stay good.",
      fields: [{ name: "name", label: "Name of the key", optional: true }],
    });
    if (!asked) return;
    const made = await post(`/devices/${encodeURIComponent(id)}/keys`, asked.name ? { name: asked.name } : {});
    showSecret(`The key of ${id}`, "It is shown this once.", made.key);
  }

  async function erase({ id }) {
    const asked = await askFor({
      title: `Delete ${id}`, act: "Delete it all", bad: true,
      text: "Its streams, events, labels, recordings and keys are deleted, and cannot be had back.",
      fields: [{ name: "id", label: "Type the name of the device", pattern: id.replaceAll(".", "\\.") }],
    });
    if (!asked) return;
    await remove(`/devices/${encodeURIComponent(id)}`);
    toast(`${id} is deleted.`, { good: true });
    await list.begin();
  }

  /** What the newest page says, without moving the list. */
  async function refresh() {
    if (document.hidden) return;
    const found = await session.devices().catch(() => []);
    for (const device of found ?? []) {
      const row = list.body.querySelector(`[data-device="${CSS.escape(device.id)}"]`);
      if (!row) continue;
      show(row, device);
    }
  }

  const add = button("Register a device ", () => session.guarded(register));
  add.append(make("kbd", "", "c"));
  place.replaceChildren(
    make("div", "place-head", make("h2", "", "Devices"), make("span", "pair", add)),
    make("section", "card", list.node),
  );
  const timer = setInterval(refresh, REFRESH_MS);
  return {
    keys: new Map([["j", () => list.step(1)], ["k", () => list.step(-1)], ["c", () => session.guarded(register)]]),
    close() {
      clearInterval(timer);
      list.close();
    },
  };
}

function state({ last_seen, paused }) {
  if (paused) {
    const held = make("span", "state held", "paused");
    held.title = `by ${paused.by}: ${paused.reason}`;
    return held;
  }
  if (!last_seen) return make("span", "state never", "never seen");
  const streams = Date.now() - new Date(last_seen) < STREAMING_MS;
  return make("span", streams ? "state good" : "state idle", streams ? "streaming" : "idle");
}
