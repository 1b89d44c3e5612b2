// What somebody must look at, and the rules that say so.

import { get, patch, post, remove } from "../api.js";
import { askFor } from "../dialog.js";
import { Endless } from "../endless.js";
import { ago, atDay, button, make, number, shortly, toast } from "../words.js";

const ON = [
  ["event", "event: one that is stored"], ["prediction", "prediction: at once, also while it is open"],
  ["silence", "silence: a device sends nothing"], ["drift", "drift: events look unlike those that were learnt"],
  ["training", "training: one has failed"], ["rollback", "rollback: an earlier model serves again"],
];

export function openAlerts(place, asked, session) {
  let all = asked.query.get("all") === "1";
  const alerts = new Endless({
    label: "Alerts, newest first",
    heads: [["Since", ""], ["Rule", ""], ["Device", ""], ["What", ""], ["Times", "wide"], ["", "acts"]],
    empty: "Nothing to look at.",
    fetch: (page) => get("/alerts", all ? page : { ...page, acknowledged: false }),
    row: alertLine,
  });
  const rules = new Endless({
    label: "Rules",
    heads: [["Rule", ""], ["Looks at", "wide"], ["Where", "wide"], ["For", ""], ["Told again after", "wide"], ["", "acts"]],
    empty: "No rule yet: make one, and what it finds stands above.",
    fetch: () => get("/alerts/rules"),
    row: ruleLine,
  });

  function alertLine(alert) {
    const when = make("td", "", shortly(alert.opened_at));
    when.title = `${atDay(alert.opened_at)}, the last time ${ago(alert.last_at)}`;
    const seen = alert.acknowledged;
    const act = make("td", "acts");
    if (seen) act.append(make("span", "note", `${seen.by}, ${ago(seen.at)}${seen.note ? `: ${seen.note}` : ""}`));
    else {
      const take = button("I look", () => session.guarded(() => acknowledge(alert)), "quiet");
      take.setAttribute("aria-label", `I look after ${alert.name} of ${about(alert)}`);
      act.append(take);
    }
    const line = make("tr", seen ? "gone" : "", when, make("td", "", alert.name),
      make("td", "", alert.all_devices ? `all, first ${about(alert)}` : about(alert)),
      make("td", "", what(alert)), make("td", "wide", number(alert.count)), act);
    line.dataset.alert = alert.id;
    return line;
  }

  function ruleLine(rule) {
    const turn = button(rule.enabled ? "Switch off" : "Switch on", () => session.guarded(async () => {
      await patch(`/alerts/rules/${rule.id}`, { enabled: !rule.enabled });
      await rules.begin();
    }), "quiet");
    turn.setAttribute("aria-label", `${rule.enabled ? "Switch off" : "Switch on"} ${rule.name}`);
    const drop = button("Delete", () => session.guarded(() => forget(rule)), "quiet");
    drop.setAttribute("aria-label", `Delete ${rule.name}`);
    const line = make("tr", rule.enabled ? "" : "gone", make("td", "", rule.name), make("td", "wide", rule.on),
      make("td", "wide", rule.device ?? rule.profile ?? "everywhere"), make("td", "", condition(rule)),
      make("td", "wide", `${number(rule.cooldown_seconds)} s, each ${rule.group_by}`), make("td", "acts", make("span", "pair", turn, drop)));
    line.dataset.rule = rule.id;
    return line;
  }

  async function acknowledge(alert) {
    const said = await askFor({
      title: `${alert.name}, ${about(alert)}`, act: "I look after it",
      fields: [{ name: "note", label: "Note", optional: true, hint: "What others should know." }],
    });
    if (!said) return;
    await post(`/alerts/${alert.id}/ack`, said.note ? { note: said.note } : {});
    await alerts.begin();
  }

  async function add() {
    const said = await askFor({
      title: "A new rule", act: "Look from now on",
      fields: [
        { name: "name", label: "Name" },
        { name: "on", label: "Looks at", options: ON },
        { name: "device", label: "Device", optional: true, hint: "Left out: all." },
        { name: "label", label: "Predicted label", optional: true, hint: "On events and predictions only." },
        { name: "probability", label: "Least probability", optional: true, pattern: "0?[.][0-9]+|0|1", hint: "0 to 1; on events and predictions only." },
        { name: "silence", label: "Seconds of silence", optional: true, pattern: "[0-9]+", hint: "On silence only, at least 5." },
      ],
    });
    if (!said) return;
    const rule = { name: said.name, on: said.on };
    if (said.device) rule.device = said.device;
    else rule.profile = session.profile.name;
    if (said.label) rule.label = said.label;
    if (said.probability) rule.min_probability = Number(said.probability);
    if (said.silence) rule.silence_seconds = Number(said.silence);
    await post("/alerts/rules", rule);
    await rules.begin();
  }

  async function forget(rule) {
    const said = await askFor({
      title: `Delete ${rule.name}`, act: "Delete", bad: true, fields: [], text: "What it found is deleted, too.",
    });
    if (!said) return;
    await remove(`/alerts/rules/${rule.id}`);
    toast(`${rule.name} is deleted.`, { good: true });
    await Promise.all([rules.begin(), alerts.begin()]);
  }

  const everything = make("input");
  everything.type = "checkbox";
  everything.checked = all;
  everything.addEventListener("change", () => {
    all = everything.checked;
    history.replaceState(null, "", all ? "#/alerts?all=1" : "#/alerts");
    alerts.begin();
  });
  const create = button("New rule ", () => session.guarded(add));
  create.append(make("kbd", "", "c"));
  place.replaceChildren(
    make("div", "place-head", make("h2", "", "Alerts"), make("label", "note", everything, " acknowledged, too")),
    make("section", "card", alerts.node),
    make("div", "place-head", make("h2", "", "Rules"), make("span", "pair", create)),
    make("section", "card", rules.node),
  );
  return {
    keys: new Map([["c", () => session.guarded(add)]]),
    heard: (kind) => { if (kind === "alert") alerts.begin(); },
    close: () => { alerts.close(); rules.close(); },
  };
}

const about = (alert) => alert.device ?? alert.profile;

function what(alert) {
  if (alert.sentence) return alert.sentence;
  if (alert.on === "silence") return make("span", "", alert.ended_at ? `was silent until ${shortly(alert.ended_at)}` : "is silent");
  const said = alert.label ? `${alert.label} (${alert.probability.toFixed(2)})` : "an event";
  if (!alert.event) return said;
  const link = make("a", "", said);
  link.href = `#/events/${alert.event}`;
  return link;
}

function condition(rule) {
  const said = [];
  if (rule.label) said.push(rule.label);
  if (rule.min_probability !== null) said.push(`from ${rule.min_probability}`);
  if (rule.unknown !== null) said.push(rule.unknown ? "unknown" : "known");
  if (rule.silence_seconds !== null) said.push(`${number(rule.silence_seconds)} s`);
  return said.join(", ") || "any";
}
