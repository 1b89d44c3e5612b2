// All events, newest first: filters that the address keeps, and a list without an end.

import { get } from "../api.js";
import { Counted } from "../counted.js";
import { Endless } from "../endless.js";
import { chip } from "../events.js";
import { atDay, lasted, make, number, option, percent, shortly } from "../words.js";

const FLAGS = ["gap", "truncated", "repaired", "stuck", "clock", "ended", "imported", "person", "moved"];
let focused = null; // the filter that was changed: it stays under the fingers

/** The events that the list showed last: the page of an event steps through them. */
export const trail = { ids: [], query: "" };

export function openEvents(place, { query }, session) {
  const list = new Endless({
    label: "Events, newest first",
    heads: [["When", ""], ["Device", "wide"], ["Lasted", "wide"], ["Prediction", ""], ["Label", ""], ["Flags", "wide"]],
    empty: query.size ? "No event is like this." : "No event yet.",
    fetch: (page) => get("/events", {
      ...asked(query), profile: session.profile.name, order: "desc", ...page,
    }).then((found) => {
      trail.ids.push(...found.items.map((event) => event.id));
      return found;
    }),
    row: line,
  });
  list.table.classList.add("of-events");
  const fresh = make("button", "fresh");
  fresh.type = "button";
  fresh.hidden = true;
  let waiting = 0;
  const begin = () => {
    waiting = 0;
    fresh.hidden = true;
    trail.ids = [];
    list.begin();
    counted.load();
  };
  fresh.addEventListener("click", begin);
  trail.ids = [];
  trail.query = query.toString();
  const filters = form(query, session);
  const folded = make("details", "card", make("summary", "", query.size ? "Filters are set" : "Filters"), filters);
  folded.open = query.size > 0 || innerWidth > 600;
  const counted = new Counted(session, query);
  place.replaceChildren(
    make("div", "place-head", make("h2", "", "Events"), fresh),
    folded,
    counted.node,
    make("section", "card", list.node),
  );
  if (focused) filters.elements[focused]?.focus();
  focused = null;
  return {
    heard(kind) {
      if (kind !== "event") return;
      waiting += 1;
      fresh.hidden = false;
      fresh.textContent = `${number(waiting)} new`;
    },
    keys: new Map([
      ["j", () => list.step(1)], ["k", () => list.step(-1)],
      ["ArrowDown", () => list.step(1)], ["ArrowUp", () => list.step(-1)],
      ["/", () => {
        folded.open = true;
        filters.elements[0].focus();
      }], ["r", begin],
    ]),
    close: () => list.close(),
  };
}

/** What the address asks for, as the service wants it. */
function asked(query) {
  const wanted = Object.fromEntries(query);
  for (const name of ["since", "until"]) {
    if (wanted[name]) wanted[name] = new Date(wanted[name]).toISOString();
  }
  return wanted;
}

function line(event) {
  const link = make("a", "row", shortly(event.onset));
  link.title = atDay(event.onset);
  link.href = `#/events/${event.id}`;
  const label = event.label ? make("span", "", event.label.label) : make("span", "none", "–");
  if (event.label) label.title = `by ${event.label.by}`;
  const row = make("tr", "",
    make("td", "", link, make("small", "narrow", `${event.device} · ${lasted(event)}`)),
    make("td", "wide", event.device), make("td", "wide", lasted(event)),
    make("td", "", chip(event)), make("td", "", label),
    make("td", "wide", make("small", "flag", event.flags.join(", "))));
  row.addEventListener("click", (click) => { if (!click.target.closest("a")) link.click(); });
  return row;
}

function form(query, session) {
  const made = make("form", "filters");
  made.setAttribute("role", "search");
  made.setAttribute("aria-label", "Which events");
  const text = (name, kind) => {
    const input = make("input");
    Object.assign(input, { name, type: kind, autocomplete: "off" });
    return input;
  };
  const choose = (name, ...options) => {
    const select = make("select", "", ...options);
    select.name = name;
    return select;
  };
  const classes = session.profile.classes.map((name) => option(name));
  const versions = text("model_version", "number");
  versions.min = 1;
  const device = text("device", "text");
  device.setAttribute("list", "known-devices");
  const known = make("datalist");
  known.id = "known-devices";
  session.guarded(async () => known.append(...((await session.devices()) ?? []).map(({ id }) => option(id))));
  const least = choose("min_probability", option("", "any"), ...[0.5, 0.7, 0.9, 0.99].map((p) => option(p, `≥ ${percent(p)}`)));
  const fields = [
    ["Device", device],
    ["Prediction", choose("predicted", option("", "any"), ...classes.map((one) => one.cloneNode(true)))],
    ["Label", choose("label", option("", "any"), ...classes, option("nothing"))],
    ["Labelled", choose("labelled", option("", "any"), option("true", "yes"), option("false", "no"))],
    ["Unknown", choose("unknown", option("", "any"), option("true", "yes"), option("false", "no"))],
    ["Probability", least],
    ["Flag", choose("flag", option("", "any"), ...FLAGS.map((name) => option(name)))],
    ["Version", versions],
    ["From", text("since", "datetime-local")],
    ["Until", text("until", "datetime-local")],
  ];
  const clear = make("button", "quiet", "Clear");
  clear.type = "button";
  clear.disabled = !query.size;
  clear.addEventListener("click", () => { location.hash = "#/events"; });
  made.append(...fields.map(([name, input]) => make("label", "field", make("span", "", name), input)), known, clear);
  for (const [name, value] of query) {
    const input = made.elements[name];
    if (!input) continue;
    // what the list does not offer may still be asked for
    if (input.tagName === "SELECT" && ![...input.options].some((one) => one.value === value)) input.append(option(value));
    input.value = value;
    input.closest("label").classList.add("set");
  }
  const apply = () => {
    const wanted = new URLSearchParams([...new FormData(made)].filter(([, value]) => value !== ""));
    const next = wanted.size ? `#/events?${wanted}` : "#/events";
    if (next === location.hash) return;
    focused = document.activeElement?.name ?? null;
    location.hash = next;
  };
  made.addEventListener("change", apply);
  made.addEventListener("submit", (submit) => {
    submit.preventDefault();
    apply();
  });
  return made;
}
