// Why an event was given its class: what each channel did for it, and which labelled events are like it.

import { get, Problem } from "./api.js";
import { chip } from "./events.js";
import { hueOf } from "./colour.js";
import { atDay, make, percent, sentence } from "./words.js";

const MOST = 12; // channels that are shown

export class Why {
  /** `view` shows the window: parts of it that decided are marked there. */
  constructor(view) {
    this.view = view;
    this.said = make("p", "", "");
    this.bars = make("ol", "probabilities");
    this.near = make("ol", "steps alike");
    this.node = make("section", "card why", make("h3", "", "Why"), this.said,
      make("div", "halves", make("div", "", make("h4", "", "Channels"), this.bars), make("div", "", make("h4", "", "Most like"), this.near)));
    this.node.hidden = true;
  }

  /** Ask why a version said what it said; `model_version` null: nobody has said anything. */
  async show(id, model_version) {
    this.asked = `${id} ${model_version}`;
    const mine = this.asked;
    this.node.hidden = model_version === null;
    this.view.mark(null);
    if (model_version === null) return;
    this.say("Looking at what decided …");
    let why;
    try {
      why = await get(`/events/${id}/explanation`, { model_version });
    } catch (error) {
      if (mine !== this.asked) return;
      if (!(error instanceof Problem)) throw error;
      this.say(error.message);
      return;
    }
    if (mine !== this.asked) return;
    this.say(sentence(why.sentence.replaceAll("'", "")) + ".");
    const most = Math.max(...why.channels.map((one) => Math.abs(one.weight)), 0.05);
    this.bars.replaceChildren(...why.channels.slice(0, MOST).map((one) => bar(one, why, most)));
    this.near.replaceChildren(...why.nearest.map(line));
    if (!why.nearest.length) this.near.replaceChildren(make("li", "empty", "No other event has a label yet."));
    this.view.mark(why.parts);
  }

  say(text) {
    this.said.textContent = text;
    this.bars.replaceChildren();
    this.near.replaceChildren();
  }
}

function bar(one, why, most) {
  const share = make("span", one.weight < 0 ? "share against" : "share");
  share.style.width = `${(100 * Math.abs(one.weight)) / most}%`;
  const made = make("li", "", make("span", "", one.channel), make("span", "rail", share),
    make("b", "", signed(Math.round(100 * one.weight))));
  made.style.setProperty("--hue", hueOf(why.label));
  made.title = `Without it ${why.label} has ${percent(one.without)} instead of ${percent(why.probability)}; it alone gives ${percent(one.alone)}.`;
  return made;
}

const signed = (points) => (points ? `${points < 0 ? "−" : "+"}${Math.abs(points)}` : "0");

function line({ event, device, onset, label, distance }) {
  const link = make("a", "", device);
  link.href = `#/events/${event}`;
  link.title = atDay(onset);
  const name = chip({ prediction: { label, probability: 0, unknown: false }, label: null });
  name.replaceChildren(label);
  name.title = "";
  return make("li", "", name, make("span", "", link, make("small", "note", ` ${distance.toFixed(2)} away`)));
}
