// The audit trail: who did what to what, newest first.

import { get } from "../api.js";
import { Endless } from "../endless.js";
import { atDay, make, shortly } from "../words.js";

export function openAudit(place) {
  const list = new Endless({
    label: "Acts, newest first",
    heads: [["When", ""], ["Who", ""], ["Act", ""], ["On", "wide"], ["What", "wide"]],
    empty: "Nobody has done anything yet.",
    fetch: (page) => get("/audit", page),
    row: line,
  });
  place.replaceChildren(make("div", "place-head", make("h2", "", "Audit")), make("section", "card", list.node));
  return { close: () => list.close() };
}

function line({ at, actor, act, object, before, after }) {
  const when = make("td", "", shortly(at));
  when.title = atDay(at);
  return make("tr", "", when, make("td", "", actor), make("td", "", act, make("small", "narrow", object)),
    make("td", "wide", target(object)), make("td", "wide change", change(before, after)));
}

/** Where it is to be seen. */
function target(object) {
  const [kind, ...rest] = object.split(":");
  const name = rest.join(":");
  const to = { event: `#/events/${name}`, device: `#/events?device=${encodeURIComponent(name)}` }[kind];
  if (!to || !name) return object;
  const link = make("a", "", object);
  link.href = to;
  return link;
}

function change(before, after) {
  const said = [before, after].filter((one) => one !== null && one !== undefined).map(brief).join(" → ");
  if (said.length < 90) return said;
  return make("details", "", make("summary", "", `${said.slice(0, 80)} …`),
    make("pre", "", [before, after].filter(Boolean).map((one) => JSON.stringify(one, null, 2)).join("\n→\n")));
}

function brief(facts) {
  if (typeof facts !== "object") return String(facts);
  return Object.entries(facts).map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
}
