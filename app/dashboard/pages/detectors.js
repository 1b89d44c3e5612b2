// The detectors of a profile, or of one device: judged, fitted, explored, and who serves.

import { get, post, remove } from "../api.js";
import { Curve } from "../curve.js";
import { askFor } from "../dialog.js";
import { inASentence, numbersOf, origin, settingsOf } from "../judged.js";
import { Nears } from "../nears.js";
import { atDay, button, make, option, percent, sentence, shortly, toast } from "../words.js";

const KINDS = { fit: "Learning", judge: "Judging", explore: "Exploring" };
const VERDICTS = { promote: "better", hold: "no better", reject: "worse", not_enough_evidence: "not enough evidence" };
const IF_BETTER = [["auto", "let it serve"], ["never", "keep it as a candidate"]];
const JOBS = 50;
const unfinished = (job) => job?.state === "queued" || job?.state === "running";

export function openDetectors(place, { parts: [number], query }, session) {
  const page = new DetectorsPage(place, Number(number) || null, query.get("device"), session);
  session.guarded(() => page.load());
  return page;
}

class DetectorsPage {
  constructor(place, chosen, device, session) {
    Object.assign(this, { session, chosen, device, versions: [], history: [] });
    this.curve = new Curve((result, value) => this.use(result, value));
    this.nears = new Nears(session, () => this.loadNears());
    this.fitButton = button("Fit ", () => this.fit());
    this.fitButton.append(make("kbd", "", "f"));
    this.exploreButton = button("Explore ", () => this.explore());
    this.exploreButton.append(make("kbd", "", "x"));
    this.back = button("Roll back", () => this.rollBack(), "quiet");
    this.whose = make("select");
    this.whose.append(option("", "the whole profile"), ...(device ? [option(device)] : []));
    this.whose.value = device ?? "";
    this.whose.addEventListener("change", () => { location.hash = this.address(null, this.whose.value); });
    this.job = make("section", "card job-card");
    this.job.hidden = true;
    this.bar = make("progress");
    this.bar.max = 1;
    this.bar.setAttribute("aria-label", "How far the work is");
    this.said = make("p", "");
    this.said.setAttribute("role", "status");
    this.cancel = button("Cancel", () => session.guarded(() => remove(`/jobs/${this.jobId}`)), "quiet");
    this.job.append(make("div", "job-line", this.said, this.cancel), this.bar);
    this.serves = make("p", "note");
    this.list = make("ol", "versions-of");
    this.detail = make("section", "card");
    place.replaceChildren(
      make("div", "place-head", make("h2", "", "Detectors"), this.serves, make("span", "pair", this.back, this.fitButton)),
      make("label", "field of-device", make("span", "", "Of"), this.whose),
      this.job,
      make("div", "detectors", make("section", "card", make("h3", "", "Versions"), this.list), this.detail),
      make("section", "card", make("div", "card-head", make("h3", "", "What a threshold is worth"), this.exploreButton), this.curve.node),
      make("section", "card", make("h3", "", "Near misses"), this.nears.node),
    );
    this.keys = new Map([
      ["f", () => this.fit()], ["x", () => this.explore()], ["p", () => this.promote()], ["b", () => this.rollBack()],
      ["j", () => this.step(1)], ["k", () => this.step(-1)], ["u", () => this.curve.use.click()],
      ["ArrowLeft", () => this.curve.step(-1)], ["ArrowRight", () => this.curve.step(1)],
      ["m", () => this.nears.step(1)], ["ArrowDown", () => this.down(1)], ["ArrowUp", () => this.down(-1)],
      ...[..."yn123456789"].map((key) => [key, () => this.nears.say(key)]),
    ]);
  }

  get path() { return `/profiles/${encodeURIComponent(this.session.profile.name)}/detectors`; }

  /** What concerns only a device says so. */
  get mine() { return this.device ? { device: this.device } : {}; }

  address(number, device = this.device) {
    const query = device ? `?device=${encodeURIComponent(device)}` : "";
    return `#/detectors${number ? `/${number}` : ""}${query}`;
  }

  async load() {
    const { profile } = this.session;
    const [versions, history, jobs] = await Promise.all([
      get(this.path, this.mine), get(`${this.path}/history`, this.mine), get("/jobs", { profile: profile.name, limit: JOBS }),
    ]);
    if (this.closed) return;
    this.versions = versions.items;
    this.history = history.items;
    this.serving = this.versions.find((one) => one.state === "serving");
    const own = this.serving && this.serving.devices.includes(this.device);
    const since = this.history.find((one) => one.number === this.serving?.number)?.at;
    const whose = this.device && !own ? ", the profile's," : "";
    this.serves.textContent = this.serving ? `v${this.serving.number}${whose} serves${since ? ` since ${shortly(since)}` : ""}` : "";
    this.back.disabled = this.device ? !own : !this.history[0]?.previous;
    const mine = jobs.items.filter((one) => KINDS[one.kind] && (one.request.device ?? null) === this.device);
    this.showJob(jobs.items.find((one) => KINDS[one.kind] && unfinished(one)) ?? mine[0] ?? null);
    if (!this.curve.result) this.curve.show(mine.find((one) => one.kind === "explore" && one.state === "succeeded")?.result ?? null);
    this.show();
    await this.loadNears();
    const devices = await this.session.devices();
    if (this.closed || !devices) return;
    const known = new Set([...this.whose.options].map((one) => one.value));
    this.whose.append(...devices.filter(({ id }) => !known.has(id)).map(({ id }) => option(id)));
  }

  async loadNears() {
    const of = this.device ? this.mine : { profile: this.session.profile.name };
    const [found, seen] = await Promise.all([get("/near-misses", of), get("/near-misses/recall", of)]);
    if (!this.closed) this.nears.show(found.items, seen);
  }

  show() {
    const known = this.versions.some((one) => one.number === this.chosen);
    if (!known) this.chosen = this.serving?.number ?? this.versions[0]?.number ?? null;
    this.list.replaceChildren(...this.versions.map((one) => this.line(one)));
    const version = this.versions.find((one) => one.number === this.chosen);
    this.detail.hidden = !version;
    if (version) this.showVersion(version);
  }

  line({ number, state, settings, source, report, verdict, devices, n_devices: count }) {
    const words = [settings.kind ?? "energy", source];
    if (report?.comparison) words.push(`F1 ${report.comparison.latter.toFixed(2)}`);
    const judged = state === "candidate" && verdict ? VERDICTS[verdict] : state;
    const badge = state === "device" ? `${devices[0]}${count > 1 ? ` +${count - 1}` : ""}` : judged;
    const pick = button("", () => this.choose(number), "version-of");
    pick.append(make("b", "", `v${number}`), make("span", `badge ${state === "serving" ? "champion" : ""}`, badge), make("small", "", words.join(" · ")));
    pick.setAttribute("aria-pressed", String(number === this.chosen));
    return make("li", "", pick);
  }

  showVersion(version) {
    const { number, state, created_at, reason, report } = version;
    const acts = make("div", "acts");
    if (version !== this.serving) {
      const act = button("Let it serve ", () => this.promote());
      act.append(make("kbd", "", "p"));
      acts.append(act);
    }
    const stays = this.history.filter((one) => one.number === number && one.reason !== reason).map((one) => make("li", "", make("time", "", shortly(one.at)),
      make("span", "", make("b", "", { rollback: "Rolled back to", set: "Set" }[one.act] ?? "Promoted"), ` by ${one.by}: ${one.reason}`)));
    const settings = make("details", "", make("summary", "", "Settings"), settingsOf(version));
    settings.open = innerWidth > 600;
    this.detail.replaceChildren(
      make("div", "card-head", make("h3", "", `Version ${number}`, make("span", `badge ${state === "serving" ? "champion" : ""}`, state)), acts),
      make("p", "sentence", inASentence(version)),
      ...(reason && report?.comparison ? [make("p", "", `${sentence(reason)}.`)] : []),
      make("p", "note", `${sentence(origin(version))} · ${atDay(created_at)}`),
      make("ol", "steps", ...stays),
      make("div", "judged-detector", numbersOf(version), settings),
    );
  }

  choose(number) {
    this.chosen = number;
    history.replaceState(null, "", this.address(number));
    this.show();
    this.list.querySelector("[aria-pressed=true]")?.focus();
  }

  step(by) {
    if (this.nears.index >= 0) {
      this.nears.step(by);
      return;
    }
    const next = this.versions[this.versions.findIndex((one) => one.number === this.chosen) + by];
    if (next) this.choose(next.number);
  }

  down(by) {
    if (this.nears.index >= 0) this.nears.step(by);
    else this.step(by);
  }

  async fit() {
    if (this.fitButton.disabled) return;
    const asked = await askFor({
      title: this.device ? `Fit a detector for ${this.device}` : "Fit a detector", act: "Fit",
      text: "It learns from labelled boundaries in recordings, and is judged on what it did not learn from, beside the present one.",
      fields: [{ name: "reason", label: "Why", value: "asked for on the page" }, { name: "promote", label: "If it is better", options: IF_BETTER }],
    });
    if (asked) await this.ask("/fit", asked);
  }

  async explore() {
    if (this.exploreButton.disabled) return;
    const numbers = Object.entries(this.serving?.settings ?? {}).filter(([, value]) => typeof value === "number").map(([name]) => name);
    const asked = await askFor({
      title: "Explore a threshold", act: "Explore",
      text: "Recorded streams with labelled events go through the detector once, with all values.",
      fields: [
        { name: "setting", label: "Setting", options: [["", "the one that says most"], ...numbers] },
        { name: "values", label: "Values", optional: true, pattern: "\\s*[\\d.]+(\\s*,\\s*[\\d.]+)*\\s*", hint: "With commas; empty: some around the present one." },
      ],
    });
    if (!asked) return;
    const body = { ...(asked.setting ? { setting: asked.setting } : {}), ...(asked.values ? { values: asked.values.split(",").map(Number) } : {}) };
    await this.ask("/explore", body);
  }

  /** Settings with the threshold that was pointed at become a version. */
  async use(result, value) {
    const asked = await askFor({
      title: `${result.setting} ${value}`, act: "Judge it",
      text: "These settings become a version. It is judged on readings that the curve does not show, beside the present one.",
      fields: [{ name: "reason", label: "Why" }, { name: "promote", label: "If it is better", options: IF_BETTER }],
    });
    if (!asked) return;
    await this.ask("", { ...asked, detector: { ...this.serving.settings, [result.setting]: value } });
  }

  async ask(what, body) {
    await this.session.guarded(async () => this.showJob(await post(`${this.path}${what}`, { ...body, ...this.mine })));
  }

  async promote() {
    const { chosen: number, serving } = this;
    if (number === null || number === serving?.number) return;
    const asked = await askFor({
      title: `Let version ${number} serve${this.device ? ` ${this.device}` : ""}`, act: "Promote",
      text: `It follows version ${serving.number}. ${this.device ? "The stream takes" : "Open streams take"} it over between two events.`,
      fields: [{ name: "reason", label: "Why" }],
    });
    if (!asked) return;
    await this.session.guarded(() => post(`${this.path}/${number}/promote`, { ...asked, ...this.mine, expected: serving.number }));
    await this.session.guarded(() => this.load());
  }

  async rollBack() {
    if (this.back.disabled) return;
    const asked = await askFor({
      title: "Roll back", act: "Roll back", bad: true,
      text: `Version ${this.serving.number} stops to serve${this.device ? ` ${this.device}` : ""}, what was before it serves again.`,
      fields: [{ name: "reason", label: "Why" }],
    });
    if (!asked) return;
    await this.session.guarded(async () => {
      const { number } = await post(`${this.path}/rollback`, { ...asked, ...this.mine, expected: this.serving.number });
      toast(`Version ${number} serves again.`, { good: true });
      this.chosen = number;
    });
    await this.session.guarded(() => this.load());
  }

  showJob(job) {
    const running = unfinished(job);
    const fresh = job?.ended_at && Date.now() - new Date(job.ended_at) < 600_000;
    this.job.hidden = !running && !fresh;
    this.fitButton.disabled = running;
    this.exploreButton.disabled = running;
    if (!job) return;
    this.jobId = job.id;
    this.cancel.hidden = this.bar.hidden = !running;
    if (job.state === "queued") this.bar.removeAttribute("value");
    else this.bar.value = job.progress;
    this.said.textContent = inWords(job);
  }

  heard(kind, data) {
    if (kind !== "job" || !KINDS[data.kind]) return;
    if (unfinished(data)) this.showJob(data);
    else this.session.guarded(() => this.done(data.id));
  }

  async done(id) {
    const job = await get(`/jobs/${id}`);
    if (this.closed) return;
    if ((job.request.device ?? null) === this.device) {
      if (job.kind === "explore") this.curve.show(job.result ?? this.curve.result);
      else this.chosen = job.result?.detector_version ?? this.chosen;
    }
    await this.load();
  }

  close() {
    this.closed = true;
    this.curve.close();
    this.nears.close();
  }
}

/** How the work goes, or went. */
function inWords({ kind, state, stage, progress, result, error }) {
  const name = KINDS[kind];
  if (state === "queued") return `${name}: waiting for the trainer.`;
  if (state === "running") return `${name}: ${stage || "begun"} · ${percent(progress)}`;
  if (state === "cancelled") return `${name} was cancelled.`;
  if (state === "failed") return `${name} failed: ${error ?? "see the trainer's log"}`;
  if (kind === "explore") return `${result.curve.length} values of ${result.setting} were tried.`;
  const what = result.detector_version ? `v${result.detector_version}${result.promoted ? " serves" : ""}: ${VERDICTS[result.verdict]}` : "No version";
  return `${what}. ${sentence(result.reason ?? "")}`;
}
