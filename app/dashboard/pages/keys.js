// The keys of people and services: made, and revoked.

import { get, post, remove } from "../api.js";
import { askFor, showSecret } from "../dialog.js";
import { Endless } from "../endless.js";
import { atDay, button, make, shortly, toast } from "../words.js";

const ROLES = [
  ["viewer", "viewer: looks"], ["labeler", "labeler: and labels"],
  ["operator", "operator: and trains, promotes, registers"], ["admin", "admin: and deletes, gives keys"],
];

const PATTERNS = "[A-Za-z0-9_.:*, \\-]*";
const words = (text) => text.split(/[\s,]+/).filter(Boolean);
const reach = ({ device, profiles, devices }) => device ?? ([...profiles, ...devices].join(", ") || "all");

export function openKeys(place, _, session) {
  const list = new Endless({
    label: "Keys",
    heads: [["Name", ""], ["State", ""], ["Role", ""], ["Reaches", "wide"], ["Made", "wide"], ["Ends", "wide"], ["", "acts"]],
    empty: "No key.",
    fetch: async () => {
      const found = await get("/keys");
      found.items.sort((a, b) => Number(Boolean(a.revoked_at)) - Number(Boolean(b.revoked_at)) || b.created_at.localeCompare(a.created_at));
      return found;
    },
    row: line,
  });

  function line(key) {
    const name = key.name || `key ${key.id}`;
    const revoke = button("Revoke", () => session.guarded(() => end(key, name)), "quiet");
    revoke.setAttribute("aria-label", `Revoke ${name}`);
    revoke.hidden = Boolean(key.revoked_at);
    const cell = (time) => {
      const made = make("td", "wide", time ? shortly(time) : "–");
      if (time) made.title = atDay(time);
      return made;
    };
    return make("tr", key.revoked_at ? "gone" : "", make("td", "", name), make("td", "", state(key)), make("td", "", key.role),
      make("td", "wide", reach(key)), cell(key.created_at), cell(key.expires_at), make("td", "acts", revoke));
  }

  async function give() {
    const asked = await askFor({
      title: "A new key", act: "Make the key",
      fields: [
        { name: "name", label: "Whose", hint: "Labels and the audit trail say this name." },
        { name: "role", label: "Role", options: ROLES },
        { name: "profiles", label: "Only profiles", optional: true, pattern: PATTERNS, hint: "Names, or acme-*; left out, it reaches all of them." },
        { name: "devices", label: "Only devices", optional: true, pattern: PATTERNS, hint: "As with profiles. A key of role admin cannot be limited." },
        { name: "until", label: "Ends", type: "datetime-local", optional: true, hint: "Left out, it does not end." },
      ],
    });
    if (!asked) return;
    const { name, role, until } = asked;
    const body = { name, role, profiles: words(asked.profiles), devices: words(asked.devices) };
    if (until) body.expires_at = new Date(until).toISOString();
    const made = await post("/keys", body);
    await list.begin();
    showSecret(`The key of ${name}`, "It is shown this once.", made.key);
  }

  async function end({ id }, name) {
    const asked = await askFor({
      title: `Revoke ${name}`, act: "Revoke", bad: true, fields: [],
      text: "It is refused from now on; sockets that it opened close within 10 seconds.",
    });
    if (!asked) return;
    await remove(`/keys/${id}`);
    toast(`${name} is revoked.`, { good: true });
    await list.begin();
  }

  const add = button("New key ", () => session.guarded(give));
  add.append(make("kbd", "", "c"));
  place.replaceChildren(
    make("div", "place-head", make("h2", "", "Keys"), make("span", "pair", add)),
    make("section", "card", list.node),
  );
  return { keys: new Map([["c", () => session.guarded(give)]]), close: () => list.close() };
}

function state({ revoked_at, expires_at }) {
  if (revoked_at) return make("span", "state never", "revoked");
  if (expires_at && new Date(expires_at) < Date.now()) return make("span", "state idle", "ended");
  return make("span", "state good", "good");
}
