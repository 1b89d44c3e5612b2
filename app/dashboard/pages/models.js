// The models of a profile: their timeline, one against the champion, and who is to serve.

import { get, post, remove } from "../api.js";
import { askFor } from "../dialog.js";
import { jobInWords } from "../models.js";
import { Timeline } from "../timeline.js";
import { classBars, confusion, expectedOf, inASentence, mistakesOf, numbersOf } from "../verdict.js";
import { atDay, button, make, percent, sentence, shortly, toast } from "../words.js";

const MOST_VERSIONS = 200;
const MODES = [["", "as the profile says"], "full", "incremental", "online"];

export function openModels(place, { parts: [version] }, session) {
  const page = new ModelsPage(place, Number(version) || null, session);
  session.guarded(() => page.load());
  return page;
}

class ModelsPage {
  constructor(place, chosen, session) {
    this.session = session;
    this.chosen = chosen;
    this.versions = [];
    this.timeline = new Timeline((version) => this.choose(version));
    this.retrainButton = button("Retrain ", () => this.retrain());
    this.retrainButton.append(make("kbd", "", "t"));
    this.back = button("Roll back", () => this.rollBack(), "quiet");
    this.job = make("section", "card job-card");
    this.job.hidden = true;
    this.bar = make("progress");
    this.bar.max = 1;
    this.bar.setAttribute("aria-label", "How far the training is");
    this.said = make("p", "");
    this.said.setAttribute("role", "status");
    this.cancel = button("Cancel", () => session.guarded(() => remove(`/jobs/${this.jobId}`)), "quiet");
    this.job.append(make("div", "job-line", this.said, this.cancel), this.bar);
    this.serves = make("p", "note");
    this.drift = make("ul", "drift");
    this.detail = make("div", "detail");
    this.own = make("ol", "steps");
    this.ownCard = make("section", "card", make("h3", "", "Devices with a model of their own"), this.own);
    this.ownCard.hidden = true;
    const legend = make("p", "note legend", make("span", "", make("i", "held"), "on held-out events"), make("span", "", make("i", "later"), "on events labelled afterwards"));
    place.replaceChildren(
      make("div", "place-head", make("h2", "", "Models"), this.serves, make("span", "pair", this.back, this.retrainButton)),
      this.job,
      make("section", "card", make("h3", "", "Accuracy by version"), this.timeline.node, legend),
      this.detail,
      this.ownCard,
      make("section", "card", make("h3", "", "Drift"), this.drift),
    );
    this.keys = new Map([
      ["t", () => this.retrain()], ["j", () => this.step(-1)], ["k", () => this.step(1)],
      ["ArrowLeft", () => this.step(-1)], ["ArrowRight", () => this.step(1)], ["p", () => this.promote()], ["b", () => this.rollBack()],
    ]);
  }

  get name() { return encodeURIComponent(this.session.profile.name); }

  async load() {
    const { profile } = this.session;
    const [models, status, history, jobs] = await Promise.all([
      get("/models", { profile: profile.name, limit: MOST_VERSIONS }),
      get(`/profiles/${this.name}/status`),
      get(`/profiles/${this.name}/history`),
      get("/jobs", { profile: profile.name, limit: 1 }),
    ]);
    if (this.closed) return;
    this.all = models.items.reverse();
    this.versions = this.all.filter((one) => !one.device);
    this.champion = status.champion?.version ?? null;
    this.expected = status.expected;
    this.later = new Map(status.accuracy.map((one) => [one.model_version, one]));
    this.history = history.items;
    const [now] = this.history;
    this.serves.textContent = now ? `v${now.version} serves since ${shortly(now.at)}` : "";
    this.back.disabled = !now?.previous;
    this.showJob(jobs.items[0] ?? null);
    this.show();
    await this.session.guarded(() => this.showDrift());
  }

  show() {
    const known = this.all.some((one) => one.version === this.chosen);
    if (!known) this.chosen = this.versions.at(-1)?.version ?? null;
    const served = new Set(this.history.map((one) => one.version));
    this.timeline.show(this.versions, this.later, served, this.chosen);
    this.showOwn();
    const model = this.all.find((one) => one.version === this.chosen);
    if (model) this.showVersion(model);
    else this.detail.replaceChildren(make("p", "empty", "No model yet. Label some events, and the first one is trained."));
  }

  /** The devices that another version than the champion serves. */
  showOwn() {
    const serving = this.all.filter((one) => one.device && one.state === "device");
    this.ownCard.hidden = !serving.length;
    this.own.replaceChildren(...serving.map((one) => {
      const link = make("a", "", `v${one.version}`);
      link.href = `#/models/${one.version}`;
      link.addEventListener("click", (click) => { click.preventDefault(); this.choose(one.version); });
      return make("li", "", make("b", "", one.device), link, make("span", "", sentence(one.reason)),
        button("Let it go by the profile’s", () => this.release(one.device), "quiet"));
    }));
  }

  async release(device) {
    const asked = await askFor({
      title: `Let ${device} go by its profile’s model`, act: "Release",
      text: "Its own model stays in the list, and may be chosen again.",
      fields: [{ name: "reason", label: "Why" }],
    });
    if (!asked) return;
    await this.session.guarded(() => post(`/devices/${encodeURIComponent(device)}/release`, asked));
    await this.session.guarded(() => this.load());
  }

  showVersion(model) {
    const { version, state, estimator, kind, parent, created_at, reason, report, device } = model;
    const pair = make("span", "");
    const acts = make("div", "acts", pair);
    if (version !== this.champion && state !== "device") {
      const act = button("Let it serve ", () => this.promote());
      act.append(make("kbd", "", "p"));
      pair.append(act);
    }
    if (version !== this.champion && !device) {
      const [shadow, canary] = [state === "shadow", state === "canary"];
      if (this.champion) pair.append(button(canary ? "End the canary" : "Let it serve some", () => this.toggleCanary(version, canary), "quiet"));
      if (!canary) pair.append(button(shadow ? "End the shadow" : "Let it shadow", () => this.toggleShadow(version, shadow), "quiet"));
    }
    const facts = [device ? `for ${device} alone` : "", kind, estimator, parent ? `after v${parent}` : "", report?.served ?? ""].filter(Boolean);
    const byPeople = this.history.filter((one) => one.version === version && one.reason !== reason);
    const stays = byPeople.map((one) => make("li", "",
      make("time", "", shortly(one.at)), make("span", "", make("b", "", one.act === "rollback" ? "Rolled back to" : "Promoted"), ` by ${one.by}: ${one.reason}`)));
    const card = report?.card;
    const limits = (card?.limits ?? []).map((one) => make("li", "", one));
    const valid = card?.valid_until ? ` Valid until ${shortly(card.valid_until)}.` : "";
    const use = card ? [make("p", "note", `${card.intended_use}${valid}`), make("ul", "facts limits", ...limits)] : [];
    this.detail.replaceChildren(
      make("section", "card", make("div", "card-head", make("h3", "", `Version ${version}`, make("span", `badge ${state}`, state)), acts),
        make("div", "judged", make("div", "", make("p", "sentence", inASentence(model)), make("p", "", `${sentence(reason)}.`),
          make("p", "note", `${facts.join(" · ")} · ${atDay(created_at)}`), make("ol", "steps", ...stays), ...use), numbersOf(model))),
      make("section", "card", make("h3", "", "Class by class"), classBars(model)),
      make("section", "card", make("h3", "", "What it takes for what"), confusion(model)),
    );
    for (const card of [...this.detail.children].slice(1)) card.hidden = !report?.holdout?.n;
    if (version === this.champion) this.detail.querySelector(".sentence").after(...expectedOf(this.expected));
    if (report?.holdout?.n) this.session.guarded(() => this.showReport(version));
    if (state === "shadow") this.session.guarded(() => this.showShadow(version));
    if (state === "canary") this.session.guarded(() => this.showCanary(version));
  }

  /** What the version says to its share of the devices, and the champion to the others. */
  async showCanary(version) {
    const found = await get(`/models/${version}/canary`);
    if (this.closed || this.chosen !== version) return;
    this.detail.querySelector(".canary.card")?.remove();
    this.detail.children[0].after(make("section", "card canary", make("h3", "", "On a share of the devices"),
      make("p", "", found.sentence), make("p", "note", `By ${found.by}, since ${shortly(found.at)}: ${found.reason}.`)));
  }

  async toggleCanary(version, active) {
    if (active) await this.session.guarded(() => remove(`/models/${version}/canary`));
    else {
      const asked = await askFor({
        title: `Let version ${version} serve some devices`, act: "Begin",
        text: "The same devices always. “Let it serve” gives it to all of them later.",
        fields: [
          { name: "share", label: "Share of the devices, in percent", value: "10", pattern: "[1-9][0-9]?" },
          { name: "reason", label: "Why" },
        ],
      });
      if (!asked) return;
      await this.session.guarded(() => post(`/models/${version}/canary`, { ...asked, share: asked.share / 100 }));
    }
    await this.session.guarded(() => this.load());
  }

  /** What the version says beside the champion. */
  async showShadow(version) {
    const found = await get(`/models/${version}/shadow`);
    if (this.closed || this.chosen !== version) return;
    this.detail.querySelector(".shadow.card")?.remove();
    const when = `since ${shortly(found.at)}`;
    const skipped = found.skipped ? ` ${found.skipped} events were passed over, because too many waited.` : "";
    const differ = found.differ.map((one) => make("li", "", `${one.shadow} instead of ${one.served}: ${one.events}`));
    this.detail.children[0].after(make("section", "card shadow", make("h3", "", "Beside the champion"),
      make("p", "", found.sentence), make("p", "note", `By ${found.by}, ${when}: ${found.reason}.${skipped}`), make("ul", "facts", ...differ)));
  }

  /** How a version does by the labels as they are known now, and where it was surest and wrong. */
  async showReport(version) {
    const found = await get(`/models/${version}/report`);
    if (this.closed || this.chosen !== version) return;
    this.detail.querySelector(".mistaken.card")?.remove();
    this.detail.append(make("section", "card mistaken", make("h3", "", "Surest mistakes"), ...mistakesOf(found)));
  }

  async toggleShadow(version, active) {
    if (active) await this.session.guarded(() => remove(`/models/${version}/shadow`));
    else {
      const asked = await askFor({
        title: `Let version ${version} shadow`, act: "Begin",
        text: "It answers live events beside the champion. No device is told.",
        fields: [{ name: "reason", label: "Why" }],
      });
      if (!asked) return;
      await this.session.guarded(() => post(`/models/${version}/shadow`, asked));
    }
    await this.session.guarded(() => this.load());
  }

  choose(version) {
    this.chosen = version;
    history.replaceState(null, "", `#/models/${version}`);
    this.show();
    this.timeline.node.querySelector("[aria-pressed=true]")?.focus();
  }

  step(by) {
    const at = this.versions.findIndex((one) => one.version === this.chosen);
    const next = this.versions[at + by];
    if (next) this.choose(next.version);
  }

  async showDrift() {
    const found = await get(`/profiles/${this.name}/drift`).catch((error) => {
      if (error.status === 409 || error.status === 404) return { signals: [{ sentence: error.message }] };
      throw error;
    });
    if (this.closed) return;
    this.drift.replaceChildren(...found.signals.map(({ alarm, sentence: said }) => make("li", alarm ? "alarm" : "", said)));
  }

  async retrain() {
    const asked = await askFor({
      title: "Retrain", act: "Retrain",
      text: "The challenger and the champion answer the same held-out events; the better one serves.",
      fields: [
        { name: "reason", label: "Why", value: "asked for on the page" },
        { name: "mode", label: "How", options: MODES },
        { name: "promote", label: "If it is better", options: [["", "as the profile says"], ["auto", "let it serve"], ["shadow", "let it shadow"], ["never", "keep it as a candidate"]] },
      ],
    });
    if (!asked) return;
    const body = Object.fromEntries(Object.entries({ profile: this.session.profile.name, ...asked }).filter(([, value]) => value));
    await this.session.guarded(async () => this.showJob(await post("/retrain", body)));
  }

  async promote() {
    const { chosen: version } = this;
    const device = this.all.find((one) => one.version === version)?.device;
    const champion = device ? null : this.champion;
    if (version === null || version === champion) return;
    const asked = await askFor({
      title: `Let version ${version} serve`, act: "Promote",
      text: device ? `It is made for ${device}, and serves it alone.` : champion ? `It follows version ${champion}. Devices get its answers within seconds.` : "Devices get its answers within seconds.",
      fields: [{ name: "reason", label: "Why" }],
    });
    if (!asked) return;
    const body = champion ? { ...asked, expected: champion } : asked;
    await this.session.guarded(() => post(`/models/${version}/promote`, body));
    await this.session.guarded(() => this.load());
  }

  async rollBack() {
    const [now] = this.history ?? [];
    if (!now?.previous) return;
    const asked = await askFor({
      title: "Roll back", act: "Roll back", bad: true,
      text: `Version ${now.version} stops to serve, the one before it serves again.`,
      fields: [{ name: "reason", label: "Why" }],
    });
    if (!asked) return;
    await this.session.guarded(async () => {
      const { version } = await post(`/profiles/${this.name}/rollback`, { ...asked, expected: now.version });
      toast(`Version ${version} serves again.`, { good: true });
      this.chosen = version;
    });
    await this.session.guarded(() => this.load());
  }

  showJob(job) {
    const running = job?.state === "queued" || job?.state === "running";
    const fresh = job?.ended_at && Date.now() - new Date(job.ended_at) < 600_000;
    this.job.hidden = !running && !fresh;
    this.retrainButton.disabled = running;
    if (!job) return;
    this.jobId = job.id;
    this.cancel.hidden = this.bar.hidden = !running;
    if (job.state === "queued") this.bar.removeAttribute("value");
    else this.bar.value = job.progress;
    this.said.textContent = job.state === "running" ? `${jobInWords(job)} · ${percent(job.progress)}` : jobInWords(job);
  }

  heard(kind, data) {
    if (kind === "job" && (data.state === "queued" || data.state === "running")) this.showJob(data);
    else if (kind === "job") {
      this.chosen = null; // the newest is what one waited for
      this.session.guarded(() => this.load());
    } else if (kind === "model") this.session.guarded(() => this.load());
  }

  close() { this.closed = true; }
}
