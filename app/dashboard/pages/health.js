// How the service is: ready or not, and which stage of a reading's way is the narrow one.

import { get, Problem, text } from "../api.js";
import { colour } from "../colour.js";
import { load, narrow, parse, total } from "../metrics.js";
import { make, number, percent, sentence } from "../words.js";

const EVERY_MS = 2000;
const KEPT = 90; // samples
const COUNTED = [
  ["onset_connections", "device sockets open"], ["onset_events_detected_total", "events detected"],
  ["onset_events_stored_total", "events stored"], ["onset_events_unclassified_total", "events that found no model"],
  ["onset_predictions_failed_total", "predictions that failed"], ["onset_gaps_total", "gaps in streams"],
  ["onset_missing_values_total", "missing values"], ["onset_resent_readings_total", "readings sent again"],
  ["onset_commit_retries_total", "commits redone"], ["onset_superseded_total", "connections that lost their stream"],
  ["onset_connections_refused_total", "connections refused"],
];

export function openHealth(place, _, session) {
  const ready = make("p", "sentence");
  ready.setAttribute("role", "status");
  const verdict = make("p", "sentence");
  const reasons = make("ul", "drift");
  const stages = make("div", "stages");
  const closes = make("p", "note");
  const counted = make("dl", "counted");
  place.replaceChildren(
    make("div", "place-head", make("h2", "", "Health"), make("p", "note", "of the process that answers")),
    make("section", "card", ready, reasons),
    make("section", "card", verdict, stages),
    make("section", "card", make("h3", "", "Since it started"), counted, closes),
  );
  let before = null;
  let closed = false;
  const past = []; // busy shares of the stages

  async function look() {
    if (document.hidden) return;
    const [alive, said, metrics] = await Promise.all([get("/health/live"), readiness(), text("/metrics", "text/plain")]);
    if (closed) return;
    const at = performance.now();
    const sample = parse(metrics);
    ready.textContent = said.ready ? `Ready, up for ${lasting(alive.uptime_seconds)}.` : "Not ready.";
    ready.className = said.ready ? "sentence ok" : "sentence trouble";
    reasons.replaceChildren(...said.reasons.map((one) => make("li", "alarm", sentence(one))));
    if (before) {
      const loads = load(before.sample, sample, (at - before.at) / 1000);
      past.push(loads.map((one) => one.busy));
      if (past.length > KEPT) past.shift();
      const { worst, text: words, tight } = narrow(loads);
      verdict.textContent = words;
      verdict.className = tight ? "sentence trouble" : "sentence ok";
      stages.replaceChildren(...loads.map((one, i) => stage(one, past.map((shares) => shares[i]), tight && one.name === worst.name)));
    } else verdict.textContent = "Measuring …";
    before = { sample, at };
    counted.replaceChildren(...COUNTED.map(([name, words]) => make("div", "", make("dd", "", number(total(sample, name))), make("dt", "", words))));
    const codes = (sample.get("onset_closes_total") ?? []).map(({ labels, value }) => `${labels.code}: ${number(value)}`);
    closes.textContent = codes.length ? `Sockets closed by us, by code: ${codes.join(", ")}.` : "";
  }

  const again = () => session.guarded(look);
  again();
  const soon = setTimeout(again, 600);
  const timer = setInterval(again, EVERY_MS);
  return {
    close() {
      closed = true;
      clearTimeout(soon);
      clearInterval(timer);
    },
  };
}

/** A process that is not ready says so with 503: that is an answer, no failure. */
async function readiness() {
  const answer = await fetch("/health/ready");
  if (answer.ok || answer.status === 503) return answer.json();
  throw new Problem(answer.status, {});
}

function stage({ name, busy, rate, unit, each, lost, pending }, past, tight) {
  const line = make("canvas", "spark");
  line.setAttribute("aria-hidden", "true");
  const fill = make("span", "fill");
  fill.style.width = `${100 * busy}%`;
  const facts = [`${number(Math.round(10 * rate) / 10)} ${unit}/s`];
  if (each !== null) facts.push(`${brief(each)} each`);
  if (pending !== null) facts.push(`${number(pending)} waiting`);
  if (lost) facts.push(`${number(lost)} dropped or redone`);
  const made = make("section", tight ? "stage-of tight" : "stage-of", make("h3", "", name), make("b", "", percent(busy)),
    make("span", "rail", fill), make("p", "note", facts.join(" · ")), line);
  requestAnimationFrame(() => spark(line, past));
  return made;
}

function brief(seconds) {
  const [unit, size] = [["s", 1], ["ms", 1e3]].find(([, size_]) => seconds * size_ >= 1) ?? ["µs", 1e6];
  return `${number(Number((seconds * size).toPrecision(2)))} ${unit}`;
}

function lasting(seconds) {
  const units = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [name, size] = units.find(([, least]) => seconds >= 2 * least) ?? units.at(-1);
  const count = Math.floor(seconds / size);
  return `${number(count)} ${name}${count === 1 ? "" : "s"}`;
}

function spark(canvas, shares) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const scale = devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * scale, height * scale];
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.strokeStyle = colour("--accent");
  pen.lineWidth = 1.5;
  pen.beginPath();
  shares.forEach((share, i) => pen.lineTo(width - ((shares.length - 1 - i) * width) / (KEPT - 1), height - 1 - share * (height - 2)));
  pen.stroke();
}
