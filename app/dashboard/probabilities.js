// A bar a class, the likeliest first: what a version said of one window.

import { hueOf } from "./colour.js";
import { make } from "./words.js";

const exact = (share) => `${(100 * share).toFixed(share > 0.0995 ? 0 : 1)}\u00a0%`;

/** `told` is the label that a person gave, if anybody did. */
export function probabilitiesOf({ probabilities }, told) {
  const sorted = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
  return make("ol", "probabilities", ...sorted.map(([name, share]) => {
    const bar = make("span", "share");
    bar.style.width = `${100 * share}%`;
    const line = make("li", name === told ? "told" : "", make("span", "", name), make("span", "rail", bar), make("b", "", exact(share)));
    line.style.setProperty("--hue", hueOf(name));
    return line;
  }));
}
