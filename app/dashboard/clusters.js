// What may be new classes: unknown events that are alike, a button for each such cluster.

import { get } from "./api.js";
import { button, element, make } from "./words.js";

export class Clusters {
  /** `onPick(cluster)` hears which one somebody wants to name. */
  constructor(onPick) {
    this.node = element("desk-clusters");
    this.onPick = onPick;
  }

  async load(profile) {
    this.profile = profile;
    const found = await get(`/profiles/${profile}/clusters`);
    if (profile !== this.profile) return;
    this.node.hidden = !found.items.length;
    this.node.replaceChildren(make("span", "note", "Alike, and no class: "), ...found.items.map((one) => {
      const made = button(`${one.size} events`, () => this.onPick(one), "quiet");
      if (one.guess) made.append(make("small", "", ` ${one.guess}?`));
      made.title = `How tight they are: ${one.tightness.toFixed(2)} of 1`;
      made.dataset.cluster = one.id;
      return made;
    }));
  }

  /** Show which one is being named; null: none. */
  choose(cluster) {
    for (const made of this.node.querySelectorAll("button")) {
      made.setAttribute("aria-pressed", String(made.dataset.cluster === cluster?.id));
    }
  }
}
