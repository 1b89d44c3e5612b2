// One version against the champion of its day: the verdict, class by class, and its errors.

import { hueOf } from "./colour.js";
import { chip } from "./events.js";
import { button, make, number, percent, sentence } from "./words.js";

const VERDICTS = {
  promote: "is better", refresh: "is no worse and fresher", hold: "was not chosen", reject: "is worse", not_enough_evidence: "cannot be told from the champion yet",
};
const SCORES = [["f1", "F1"], ["recall", "Recall"], ["precision", "Precision"]];

/** The verdict as a person would say it. */
export function inASentence({ version, verdict, report, state }) {
  const { holdout: ours, champion_holdout: theirs } = report ?? {};
  const subject = `Version ${version}`;
  if (!ours?.n) return state === "champion" ? `${subject} serves; it was not judged on held-out events.` : `${subject} was not judged on held-out events.`;
  const right = `it is right on ${percent(ours.accuracy)} of ${ours.n} events that it had never seen`;
  if (!theirs?.n) return `${subject} was the first: ${right}; always saying the most frequent class is right on ${percent(ours.majority)}.`;
  return `${subject} ${VERDICTS[verdict] ?? verdict}: ${right}, the champion of its day on ${percent(theirs.accuracy)}.`;
}

/** How right the champion is likely to be, before anybody labels; nothing where no answer waits. */
export function expectedOf(expected) {
  if (!expected) return [];
  const said = `Before labels: of its last ${expected.n} answers that nobody has labelled, about ${percent(expected.accuracy)} are right, as far as its probabilities are calibrated.`;
  return [make("p", "expected", said)];
}

/** The held-out events that it was surest of and wrong, each to be looked at or labelled anew. */
export function mistakesOf({ mistakes, holdout, training }) {
  const known = holdout ? `By the labels as they are now it is right on ${percent(holdout.accuracy)} of ${number(holdout.n)} held-out events` : "It has kept no answers";
  const note = make("p", "note", `${known}; ${number(training.added)} labels came since it was trained.`);
  if (!mistakes.length) return [make("p", "", "It was wrong on none of the held-out events."), note];
  return [make("p", "note", "A mistake is the model’s, or a label’s: look at the event."), make("ol", "mistakes", ...mistakes.map(({ event, label, said, probability, unknown }) => {
    const link = make("a", "", `it was ${label}`);
    link.href = `#/events/${event}`;
    const name = chip({ prediction: { label: said, probability, unknown }, label: { label } });
    name.title = "";
    return make("li", "", link, name);
  })), note];
}

const points = (share) => (100 * share).toFixed(1);

/** What the next labels will bring, as the learning curve of a version says; null: it has none. */
export function worthOf(report) {
  const curve = report?.curve;
  if (!curve) return null;
  return `Next ${curve.next} labels: about +${points(curve.gain)} points (${points(curve.low)} to ${points(curve.high)})`;
}

export function numbersOf({ report }) {
  const { holdout: ours, champion_holdout: theirs, n_train } = report ?? {};
  if (!ours?.n) return make("p", "empty", "There is no report: nothing was held out, or it was trained elsewhere.");
  const line = (name, of, form, better) => {
    const [mine, other] = [of(ours), theirs?.n ? of(theirs) : null];
    const wins = other !== null && better * (mine - other) > 1e-9;
    return make("tr", "", Object.assign(make("th", "", name), { scope: "row" }),
      make("td", wins ? "wins" : "", form(mine)), make("td", "", other === null ? "–" : form(other)));
  };
  const exact = (value) => value.toFixed(3);
  const head = make("tr", "", ...["", "This version", "Champion then"].map((name) => {
    const cell = make(name ? "th" : "td", "", name);
    if (name) cell.scope = "col";
    return cell;
  }));
  const table = make("table", "numbers", make("thead", "", head), make("tbody", "",
    line("Accuracy", (r) => r.accuracy, percent, 1), line("Macro F1", (r) => r.macro_f1, exact, 1),
    line("Calibration error", (r) => r.ece, exact, -1), line("Brier score", (r) => r.brier, exact, -1)));
  const learnt = n_train ? `Learnt from ${number(n_train)} events; ` : "";
  const unknown = report.unknown?.rate
    ? `unknown are events that no class accounts for: at most ${percent(report.unknown.rate)} of right answers, ${percent(report.unknown.holdout_rejected)} of those on the hold-out.`
    : ours.unknown_below > 0 ? `answers below ${percent(ours.unknown_below)} are called unknown.` : "nothing is called unknown.";
  const worth = worthOf(report);
  return make("div", "", table, make("p", "note", sentence(learnt + unknown)), ...(worth ? [make("p", "note", worth)] : []));
}

/** Bars: a class each, this version above the champion of its day. */
export function classBars({ report }) {
  const { holdout: ours, champion_holdout: theirs } = report ?? {};
  const node = make("div", "class-bars");
  if (!ours?.n) return node;
  const list = make("ol");
  const pick = (key) => {
    for (const one of tabs.children) one.setAttribute("aria-pressed", String(one.dataset.key === key));
    list.replaceChildren(...ours.classes.map((name) => {
      const mine = ours.per_class[name];
      const other = theirs?.n ? theirs.per_class[name] : null;
      const item = make("li", "", make("span", "name", name, make("small", "", `n ${mine.n}`)),
        make("span", "pair-of", bar("ours", mine[key]), ...(other ? [bar("theirs", other[key])] : [])));
      item.style.setProperty("--hue", hueOf(name));
      item.setAttribute("aria-label", `${name}: ${percent(mine[key])}${other ? `, champion then ${percent(other[key])}` : ""}`);
      return item;
    }));
  };
  const tabs = make("div", "tabs", ...SCORES.map(([key, name]) => {
    const tab = button(name, () => pick(key), "quiet");
    tab.dataset.key = key;
    return tab;
  }));
  tabs.setAttribute("role", "group");
  tabs.setAttribute("aria-label", "Which score");
  node.append(tabs, list);
  if (theirs?.n) node.append(make("p", "note legend", make("span", "", make("i", "ours"), "this version"), make("span", "", make("i", "theirs"), "champion then")));
  pick("f1");
  return node;
}

function bar(kind, share) {
  const fill = make("span", `fill ${kind}`);
  fill.style.width = `${100 * share}%`;
  return make("span", "line", make("span", "rail", fill), make("b", "", percent(share)));
}

/** What it took for what: a row for each truth, a column for each answer. */
export function confusion({ report }) {
  const { holdout: ours, champion_holdout: theirs } = report ?? {};
  const node = make("div", "confusion");
  if (!ours?.n) return node;
  const holder = make("div", "confusion-scroll");
  holder.tabIndex = 0;
  holder.setAttribute("role", "region");
  holder.setAttribute("aria-label", "Confusion matrix");
  const show = (of, chosen) => {
    holder.replaceChildren(matrix(of));
    for (const one of tabs.children) one.setAttribute("aria-pressed", String(one === chosen));
  };
  const tabs = make("div", "tabs");
  tabs.setAttribute("role", "group");
  tabs.setAttribute("aria-label", "Whose errors");
  const mine = button("This version", () => show(ours, mine), "quiet");
  tabs.append(mine);
  if (theirs?.n) {
    const other = button("Champion then", () => show(theirs, other), "quiet");
    tabs.append(other);
  }
  node.append(tabs, holder);
  show(ours, mine);
  return node;
}

function matrix({ classes, confusion: counts }) {
  const cell = (tag, scope, text) => {
    const made = make(tag, "", text);
    if (scope) made.scope = scope;
    return made;
  };
  const head = make("tr", "", cell("td", "", ""), ...classes.map((name) => cell("th", "col", name)));
  const rows = counts.map((row, i) => {
    const all = row.reduce((sum, n) => sum + n, 0);
    return make("tr", "", cell("th", "row", classes[i]), ...row.map((n, j) => {
      const made = make("td", i === j ? "hit" : n ? "miss" : "", n ? number(n) : "·");
      made.style.setProperty("--share", all ? (n / all).toFixed(3) : "0");
      made.title = `${sentence(classes[i])} called ${classes[j]}: ${n} of ${all}`;
      return made;
    }));
  });
  const table = make("table", "matrix", make("caption", "note", "rows: what it was · columns: what was said"), make("thead", "", head), make("tbody", "", ...rows));
  return table;
}
