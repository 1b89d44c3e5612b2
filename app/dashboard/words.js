// How the page writes numbers and times.

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const element = (id) => document.getElementById(id);
export const percent = (share) => `${Math.round(100 * share)} %`;
export const number = (value) => value.toLocaleString();
export const atClock = (time) => clock.format(new Date(time));
export const atDay = (time) => day.format(new Date(time));

export function lasted(event) {
  const seconds = (new Date(event.offset) - new Date(event.onset)) / 1000;
  return seconds < 100 ? `${seconds.toFixed(1)} s` : `${number(Math.round(seconds))} s`;
}

export function ago(time) {
  const seconds = Math.max(0, (Date.now() - new Date(time)) / 1000);
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h ago` : atDay(time);
}

/** Make an element with a class and text or children. */
export function make(tag, name, ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...children);
  return made;
}

let hiding;

/** Say something in passing. */
export function toast(text) {
  element("toast").textContent = text;
  element("toast").hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { element("toast").hidden = true; }, 6000);
}
