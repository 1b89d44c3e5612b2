// What the service counts, and what that says of its stages: the busiest is the narrow one.

/** Read Prometheus text: name -> [{labels, value}]. */
export function parse(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!match) continue;
    const [, name, labels = "", value] = match;
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text_]) => [key, text_]);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push({ labels: Object.fromEntries(pairs), value: Number(value) });
  }
  return found;
}

export const total = (sample, name) => (sample.get(name) ?? []).reduce((sum, { value }) => sum + value, 0);

/**
 * A stage: what goes through it, how long it works on that, and what waits for it.
 * Receiving shares its processor with everything else: all of that is its time.
 */
export const STAGES = [
  { name: "Processor: receive, detect", seconds: "onset_cpu_seconds_total", through: "onset_readings_total", unit: "readings", dropped: ["onset_resent_readings_total"] },
  { name: "Classify", seconds: "onset_classify_seconds_sum", through: "onset_classify_seconds_count", unit: "answers", dropped: ["onset_predictions_failed_total"] },
  { name: "Commit", seconds: "onset_commit_seconds_sum", through: "onset_commits_total", unit: "commits", dropped: ["onset_commit_retries_total"], waiting: "onset_pending_streams" },
];

/** What each stage did between two samples that lie `seconds` apart. */
export function load(before, after, seconds) {
  return STAGES.map((stage) => {
    const since = (name) => Math.max(0, total(after, name) - total(before, name));
    const busy = since(stage.seconds) / seconds;
    const count = since(stage.through);
    return {
      ...stage,
      busy: Math.min(1, busy),
      rate: count / seconds,
      each: count ? since(stage.seconds) / count : null,
      lost: stage.dropped.reduce((sum, name) => sum + since(name), 0),
      pending: stage.waiting ? total(after, stage.waiting) : null,
    };
  });
}

/** Which stage holds up the others, said in a sentence. */
export function narrow(stages) {
  const worst = stages.reduce((a, b) => (b.busy > a.busy ? b : a));
  const share = `${Math.round(100 * worst.busy)}\u00a0%`;
  if (worst.busy < 0.005) return { worst, tight: false, text: "Nothing is narrow: every stage rests." };
  if (worst.busy < 0.7) return { worst, tight: false, text: `Nothing is narrow: the stage “${worst.name}” is the busiest, at work ${share} of the time.` };
  return { worst, tight: true, text: `${worst.name} is the narrow stage: it is at work ${share} of the time.` };
}
