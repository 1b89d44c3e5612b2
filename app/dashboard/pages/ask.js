// By hand: a window is written, pasted or taken from an event, and a model says what it is.

import { get, post } from "../api.js";
import { chip } from "../events.js";
import { probabilitiesOf } from "../probabilities.js";
import { WindowView } from "../window.js";
import { button, make, option } from "../words.js";
import { readWindow } from "../written.js";

const MOST_VERSIONS = 200;

/** A float32 in as few digits as make it again. */
const short = (value) => Number(value.toPrecision(9));

export function openAsk(place, { query }, session) {
  const page = new AskPage(place, session);
  session.guarded(() => page.load(query.get("event")));
  return page;
}

class AskPage {
  constructor(place, session) {
    this.session = session;
    const { channels, rate_hz } = session.profile;
    this.text = make("textarea", "readings");
    Object.assign(this.text, { spellcheck: false, rows: 8, placeholder: "0.12, 0.31, …" });
    this.version = make("select", "", option("", "what serves"));
    this.version.name = "model_version";
    [this.before, this.after] = ["before", "after"].map(() => Object.assign(make("input"), { type: "number", min: 0, placeholder: "as usual" }));
    this.event = Object.assign(make("input"), { autocomplete: "off", placeholder: "its id", maxLength: 64 });
    this.wrong = make("p", "bad");
    this.wrong.setAttribute("role", "alert");
    this.canvas = make("canvas", "window");
    this.canvas.setAttribute("role", "img");
    this.canvas.hidden = true;
    this.nothing = make("p", "empty", "The readings appear here.");
    this.view = new WindowView(this.canvas);
    this.said = make("div", "said", make("p", "empty", "The answer appears here."));
    this.said.setAttribute("role", "status");
    const field = (name, input) => make("label", "asked", make("span", "", name), input);
    const form = make("form", "by-hand",
      field(`Readings: a line each, ${channels.length === 1 ? "one number" : `${channels.length} numbers`} (${channels.map((one) => one.name).join(", ")}), ${rate_hz} lines a second; or JSON`, this.text),
      this.wrong,
      make("div", "by-hand-line",
        field("Model", this.version), field("Readings before the event", this.before), field("Readings after it", this.after),
        make("button", "", "What is it?")));
    form.addEventListener("submit", (submit) => {
      submit.preventDefault();
      session.guarded(() => this.ask());
    });
    const take = make("form", "by-hand-line", field("Take the window of an event", this.event), make("button", "quiet", "Take it"),
      button("Take the newest", () => session.guarded(() => this.newest()), "quiet"));
    take.addEventListener("submit", (submit) => {
      submit.preventDefault();
      session.guarded(() => this.take(this.event.value.trim()));
    });
    place.replaceChildren(
      make("div", "place-head", make("h2", "", "Ask by hand"), make("p", "note", "Nothing is stored, and no device is told.")),
      make("section", "card", take, form),
      make("div", "halves", make("section", "card", make("h3", "", "The window"), this.nothing, this.canvas), make("section", "card", make("h3", "", "What it is"), this.said)),
    );
    this.keys = new Map([["/", () => this.text.focus()]]);
  }

  async load(event) {
    const { items } = await get("/models", { profile: this.session.profile.name, limit: MOST_VERSIONS });
    if (this.closed) return;
    this.version.append(...items.map(({ version, state, device }) => option(version, `v${version}, ${device ? `of ${device}` : state}`)));
    if (event) await this.take(event);
  }

  async newest() {
    const { items: [event] } = await get("/events", { profile: this.session.profile.name, limit: 1 });
    if (event) await this.take(event.id);
    else this.fail("This profile has no event yet.");
  }

  async take(event) {
    if (!event) return;
    const shown = await get(`/events/${encodeURIComponent(event)}/window`);
    if (this.closed) return;
    if (shown.channels.length !== this.session.profile.channels.length) {
      this.fail("This event belongs to another profile.");
      return;
    }
    this.event.value = event;
    this.context = shown.context;
    this.text.value = shown.values.map((row) => row.map(short).join(", ")).join("\n");
    [this.before.value, this.after.value] = [shown.pre_roll, shown.post_roll];
    await this.ask();
  }

  async ask() {
    this.fail("");
    const { profile } = this.session;
    let window;
    try {
      window = readWindow(this.text.value, profile.channels.length);
    } catch (error) {
      this.fail(error.message);
      return;
    }
    const body = { profile: profile.name, windows: [window] };
    if (this.version.value) body.model_version = Number(this.version.value);
    if (this.before.value || this.after.value) Object.assign(body, { pre_roll: Number(this.before.value), post_roll: Number(this.after.value) });
    if (this.context && this.event.value) body.contexts = [this.context];
    let answer;
    try {
      answer = await post("/classify", body);
    } catch (error) {
      if (![404, 422].includes(error.status)) throw error;
      this.fail(error.message);
      return;
    }
    if (this.closed) return;
    const [prediction] = answer.predictions;
    const note = prediction.unknown ? "No class is credible enough: a device would be told unknown. " : "";
    this.said.replaceChildren(make("p", "verdict", chip({ prediction, label: null })), probabilitiesOf(prediction),
      make("p", "note versions", `${note}Model version ${prediction.model_version}.`));
    [this.canvas.hidden, this.nothing.hidden] = [false, true];
    this.view.show({ channels: profile.channels, rate_hz: profile.rate_hz, values: window, pre_roll: body.pre_roll ?? 0, post_roll: body.post_roll ?? 0 },
      prediction.unknown ? undefined : prediction.label);
    this.canvas.setAttribute("aria-label", `The readings of ${profile.channels.map((one) => one.name).join(", ")}, ${window.length} of each`);
  }

  fail(why) {
    this.wrong.textContent = why;
    this.text.setAttribute("aria-invalid", String(Boolean(why)));
  }

  close() {
    this.closed = true;
    this.view.close();
  }
}
