// One hue a class, the same in the table, on the strip and on the devices.

const GOLDEN_DEGREES = 137.508; // neighbours are far apart, however many there are
const hues = new Map();
const style = getComputedStyle(document.documentElement);

/** Give the classes of a profile their hues, in their order. */
export function assignHues(classes) {
  hues.clear();
  classes.forEach(hueOf);
}

export function hueOf(label) {
  if (!hues.has(label)) hues.set(label, (200 + hues.size * GOLDEN_DEGREES) % 360);
  return hues.get(label).toFixed(1);
}

// Asking the browser for a style makes it lay out the page: once for each theme is enough.
const known = new Map();
const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => known.clear());

/** A colour of the style sheet, as the canvas wants it. */
export function colour(name) {
  if (!known.has(name)) known.set(name, style.getPropertyValue(name).trim());
  return known.get(name);
}

/** The colour of a class for the canvas; grey for what has none. */
export function classColour(label, alpha) {
  const [chroma, hue] = label === undefined ? [0, 0] : [0.13, hueOf(label)];
  return `oklch(${colour("--mark")} ${chroma} ${hue} / ${alpha})`;
}
