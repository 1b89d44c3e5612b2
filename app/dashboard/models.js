// The models: accuracy by version, what became of each, and the training under way.

import { atClock, atDay, element, make, percent, sentence } from "./words.js";

const BARS = 10;
const VERDICTS = { promote: "promoted", refresh: "refreshed", hold: "held", reject: "rejected", not_enough_evidence: "not enough evidence" };

/** Bars: share of right answers among the labelled events that each version predicted. */
export function showBars(accuracy, champion) {
  const shown = accuracy.slice(-BARS);
  element("bars-empty").hidden = shown.length > 0;
  element("bars").replaceChildren(...shown.map(({ model_version: version, n, accuracy: share }) => {
    const bar = make("span", "column");
    bar.style.height = `${Math.max(2, 100 * share)}%`;
    const item = make("li", "", make("b", "", percent(share)), make("span", "room", bar),
      make("span", "", `v${version}`), make("small", "", `n ${n}`));
    item.title = `Version ${version}: ${percent(share)} of its last ${n} answers were right`;
    if (version === champion?.version) item.className = "champion";
    return item;
  }));
}

export function showModels(models) {
  element("models-empty").hidden = models.length > 0;
  element("models").replaceChildren(...models.map((model) => {
    const state = model.state === "candidate" ? VERDICTS[model.verdict] ?? model.verdict : model.state;
    const judged = model.report?.holdout;
    const facts = [model.estimator, model.kind];
    if (model.device) facts.unshift(`for ${model.device} alone`);
    if (judged?.n) facts.push(`${percent(judged.accuracy)} of ${judged.n} held out`);
    const when = make("time", "", atClock(model.created_at));
    when.title = atDay(model.created_at);
    const item = make("li", model.state,
      make("div", "title", make("b", "", `v${model.version}`), make("span", "badge", state), when),
      make("div", "facts", facts.join(" · ")));
    if (model.reason) item.append(make("p", "", sentence(model.reason)));
    return item;
  }));
}

/** The training under way or just done; null hides it. */
export function showJob(job) {
  const running = job?.state === "queued" || job?.state === "running";
  element("job").hidden = !job;
  element("retrain").disabled = running;
  if (!job) return;
  element("job-progress").hidden = !running;
  if (job.state === "queued") element("job-progress").removeAttribute("value");
  else element("job-progress").value = job.progress;
  element("job-text").textContent = jobInWords(job);
}

/** How a training goes, or went. */
export function jobInWords({ state, stage, result, error }) {
  if (state === "queued") return "Waiting for the trainer.";
  if (state === "running") return `Training: ${stage || "begun"}`;
  if (state === "cancelled") return "The training was cancelled.";
  if (state === "failed") return `The training failed: ${error ?? "see the trainer's log"}`;
  const verdict = VERDICTS[result?.verdict] ?? "done";
  const what = result?.model_version ? `v${result.model_version}: ${verdict}` : sentence(verdict);
  return result?.reason ? `${what}. ${sentence(result.reason)}.` : `${what}.`;
}
