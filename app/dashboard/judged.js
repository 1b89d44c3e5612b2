// A detector version against the one that served when it was made.

import { make, number } from "./words.js";

const VERDICTS = {
  promote: "is better than", reject: "is worse than", hold: "is no better than", not_enough_evidence: "cannot be told yet from",
};
const SOURCES = { learnt: "learnt from labelled boundaries", set: "set by hand" };
const HELD_OUT = {
  device: "by models that never saw the device", recording: "by models that never saw the recording", quarter: "by models that never saw that quarter of the recording",
  stretch: "on stretches that the curve does not show", nothing: "on all recordings: there are too few to hold some out",
};
const exact = (value) => value.toFixed(3);
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

/** The verdict as a person would say it. */
export function inASentence({ number: version, parent, verdict, source, report, state }) {
  const compared = report?.comparison;
  const subject = `Version ${version}`;
  const serves = state === "serving" ? " serves;" : "";
  if (!compared) return `${subject}${serves} ${serves ? "it " : ""}was ${SOURCES[source]} and never judged on recordings.`;
  const ends = report.end_to_end;
  if (ends?.verdict === "worse") return `${subject} makes labels worse: it finds and rightly names events with an F1 of ${exact(ends.latter)} instead of ${exact(ends.former)}, by the model that served.`;
  const than = parent ? `version ${parent}` : "the one before it";
  return `${subject} ${VERDICTS[verdict] ?? verdict} ${than}: event F1 ${exact(compared.latter)} instead of ${exact(compared.former)} over ${number(compared.n)} stretches of readings.`;
}

/** Where it comes from, in a line. */
export function origin({ source, report, device }) {
  const facts = [SOURCES[source]];
  if (device) facts.push(`for ${device} only`);
  if (report?.events) {
    const devices = report.devices ? `, ${number(report.devices)} ${report.devices === 1 ? "device" : "devices"}` : "";
    facts.push(`${number(report.events)} labelled events, ${number(report.recordings)} recordings${devices}`);
  }
  if (report?.held_out_by) facts.push(`judged ${HELD_OUT[report.held_out_by] ?? report.held_out_by}`);
  return facts.join(" · ");
}

/** Both scores, and what the difference may be. */
export function numbersOf({ report }) {
  const compared = report?.comparison;
  if (!compared) return make("p", "empty", "There is no report.");
  const line = (name, value, better = false) => make("tr", "", Object.assign(make("th", "", name), { scope: "row" }), make("td", better ? "wins" : "", value));
  return make("table", "numbers", make("tbody", "",
    line("Event F1", exact(compared.latter), compared.latter > compared.former),
    line("Former one", exact(compared.former)),
    line("Difference", `${signed(compared.difference)} (${signed(compared.low)} to ${signed(compared.high)})`),
    line("By chance", `p = ${compared.p.toPrecision(2)}`),
    ...(report.end_to_end ? [line("To labels", `${exact(report.end_to_end.latter)}, before ${exact(report.end_to_end.former)}`)] : [])));
}

function settingInWords(value) {
  if (typeof value === "string" && value.startsWith("sha256:")) return `${value.slice(0, 19)}…`;
  if (typeof value !== "object") return String(value);
  return Object.entries(value).map(([channel, [low, high]]) => `${channel} ${low ?? "any"} to ${high ?? "any"}`).join(", ");
}

const byName = ([a], [b]) => (b === "kind") - (a === "kind") || a.localeCompare(b);

/** Its settings; a fitted model by the beginning of its name. */
export function settingsOf({ settings }) {
  return make("dl", "facts-list settings", ...Object.entries(settings).sort(byName).map(([name, value]) => {
    return make("div", "", make("dt", "", name), make("dd", "", settingInWords(value)));
  }));
}
