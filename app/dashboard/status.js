// A profile at a glance: the tiles, and accuracy by version.

import { showBars } from "./models.js";
import { element, number, percent } from "./words.js";

export function showStatus(status) {
  const { champion, accuracy } = status;
  element("n-devices").textContent = number(status.devices_connected);
  element("n-events").textContent = number(status.events);
  element("n-unlabelled").textContent = number(status.unlabelled);
  element("champion").textContent = champion ? `v${champion.version}` : "none yet";
  element("champion-note").textContent = champion ? `champion · ${champion.kind}` : "label events, and it trains one";
  const judged = accuracy.find((one) => one.model_version === champion?.version) ?? accuracy.at(-1);
  element("accuracy").textContent = judged ? percent(judged.accuracy) : "–";
  element("accuracy-note").textContent = judged
    ? `of the last ${judged.n} labelled, v${judged.model_version}`
    : "accuracy, once events have labels";
  showBars(accuracy, champion);
}
