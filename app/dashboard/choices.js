// A button a class, with the number key that chooses it: on the desk and on the page of an event.

import { hueOf } from "./colour.js";
import { make, percent } from "./words.js";

export const NOTHING = "nothing"; // the label of what is no event
const KEYS = "123456789";

export function choices(classes, event, onChoose) {
  const said = event.prediction;
  return [...classes].filter((name) => name !== NOTHING).map((name, i) => {
    const button = make("button", "choice", make("span", "", name));
    button.type = "button";
    if (KEYS[i]) button.prepend(make("kbd", "", KEYS[i]));
    button.style.setProperty("--hue", hueOf(name));
    if (said?.label === name) button.append(make("small", "", said.unknown ? "?" : percent(said.probability)));
    button.classList.toggle("predicted", said?.label === name);
    button.addEventListener("click", () => onChoose(name));
    return button;
  });
}
