// How the page writes numbers and times.

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

const month = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const longAgo = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });

export const element = (id) => document.getElementById(id);
export const percent = (share) => `${Math.round(100 * share)}\u00a0%`; // never in two lines
export const number = (value) => value.toLocaleString();
export const atClock = (time) => clock.format(new Date(time));
export const atDay = (time) => day.format(new Date(time));

/** The time alone for today, the day for what is older; `today` says how exactly. */
export function shortly(time, today = clock) {
  const [then, now] = [new Date(time), new Date()];
  if (then.toDateString() === now.toDateString()) return today.format(then);
  return (now - then < 300 * 86_400_000 ? month : longAgo).format(then);
}

export const shortlyToTheMinute = (time) => shortly(time, minute);

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

/** An option of a choice, with other words than its value if told so. */
export const option = (value, text = value) => new Option(text, value);

/** A button that does something. */
export function button(text, act, name = "") {
  const made = make("button", name, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

/** A sentence begins with a capital letter. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

let hiding;

/** Say something in passing. */
export function toast(text, { good = false } = {}) {
  element("toast").textContent = text;
  element("toast").classList.toggle("good", good);
  element("toast").hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { element("toast").hidden = true; }, 6000);
}
