// Which page is shown: what stands behind the # of the address is a path and a query.

import { openAlerts } from "./pages/alerts.js";
import { openAsk } from "./pages/ask.js";
import { openAudit } from "./pages/audit.js";
import { openDetectors } from "./pages/detectors.js";
import { openDevices } from "./pages/devices.js";
import { openEvent } from "./pages/event.js";
import { openEvents } from "./pages/events.js";
import { openHealth } from "./pages/health.js";
import { openKeys } from "./pages/keys.js";
import { openModels } from "./pages/models.js";
import { element } from "./words.js";

/**
 * A page fills `place` and answers how it hears the live feed, what its keys do, and how
 * it ends: {heard(kind, data), keys: Map, close()}, each of which it may leave out.
 */
const PAGES = {
  events: { title: "Events", open: (...all) => (all[1].parts.length ? openEvent(...all) : openEvents(...all)) },
  models: { title: "Models", open: openModels },
  ask: { title: "Ask", open: openAsk },
  detectors: { title: "Detectors", open: openDetectors },
  alerts: { title: "Alerts", open: openAlerts },
  devices: { title: "Devices", open: openDevices },
  keys: { title: "Keys", open: openKeys },
  audit: { title: "Audit", open: openAudit },
  health: { title: "Health", open: openHealth },
};
const JUMPS = { h: "", e: "events", m: "models", w: "ask", t: "detectors", r: "alerts", d: "devices", k: "keys", a: "audit", s: "health" };

export class Router {
  constructor(session, live) {
    this.session = session;
    this.live = live;
    this.keys = new Map([["?", () => element("shortcuts").showModal()]]);
    this.page = null;
    this.jumping = 0;
    addEventListener("keydown", (press) => this.press(press));
    element("shortcuts-close").addEventListener("click", () => element("shortcuts").close());
    element("skip").addEventListener("click", (click) => {
      click.preventDefault(); // the address names pages
      element(this.page ? "place" : "page").focus();
    });
    element("show-shortcuts").addEventListener("click", () => element("shortcuts").showModal());
  }

  /** What the address asks for: {name, parts, query}. */
  get asked() {
    const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
    const [name, ...parts] = path.split("/").filter(Boolean).map(decodeURIComponent);
    return { name: PAGES[name] ? name : "", parts, query: new URLSearchParams(query) };
  }

  show() {
    const { asked } = this;
    this.end();
    const found = PAGES[asked.name];
    document.title = found ? `${found.title} · Onset` : "Onset";
    for (const link of element("nav").querySelectorAll("a")) {
      if (link.dataset.page === asked.name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    element("nav").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }); // on a telephone
    this.live.show(!found);
    element("place").hidden = !found;
    if (!found) return;
    scrollTo(0, 0);
    this.page = found.open(element("place"), asked, this.session);
  }

  /** Nobody is logged in, or another profile opens. */
  leave() {
    this.end();
    element("page").hidden = true;
    this.live.shown = false;
    element("place").hidden = true;
  }

  end() {
    this.page?.close?.();
    this.page = null;
    element("place").replaceChildren();
  }

  heard(kind, data) {
    this.page?.heard?.(kind, data);
  }

  press(press) {
    const typing = press.target.closest?.("input, select, textarea, dialog");
    if (press.ctrlKey || press.metaKey || press.altKey || typing || !this.session.names.length) return;
    const jump = Date.now() - this.jumping < 1500 ? JUMPS[press.key] : undefined;
    this.jumping = press.key === "g" ? Date.now() : 0;
    // a jump may come while a profile is on its way: its page opens then
    const keys = this.session.profile ? [(this.page ?? this.live).keys, this.keys] : [];
    const act = keys.map((one) => one?.get(press.key)).find(Boolean);
    if (jump !== undefined) location.hash = `#/${jump}`;
    else if (act) act(press);
    else return;
    press.preventDefault();
  }
}
