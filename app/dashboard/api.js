// The public API, as any other client would call it.

const KEY = "onset.key";
const SILENT_MS = 40_000; // the service sends a comment every 15 s, whatever happens
const PAUSE_MS = 1500;

/** Take the key out of the login link, so that it stays in no address bar or history. */
export function takeKeyFromLink() {
  const found = /[#&]key=([\w%.~-]+)/.exec(location.hash);
  if (!found) return false;
  setKey(found[1]);
  history.replaceState(null, "", location.pathname);
  return true;
}

export const hasKey = () => localStorage.getItem(KEY) !== null;
export const setKey = (key) => localStorage.setItem(KEY, key.trim());
export const forgetKey = () => localStorage.removeItem(KEY);

/** A refusal of the API: an RFC 9457 problem. */
export class Problem extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The service answered ${status}.`);
    this.status = status;
  }

  /** Whether another key is needed. */
  get key() {
    return this.status === 401 || this.status === 403;
  }
}

/** No answer: the service is away. */
export class Away extends Error {}

async function send(path, options = {}) {
  // what a header cannot hold is no key; fetch would throw
  const key = (localStorage.getItem(KEY) ?? "").replace(/[^\x21-\x7e]/g, "?");
  const headers = { Authorization: `Bearer ${key}`, ...options.headers };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    throw new Away("The service cannot be reached.", { cause: error });
  }
  if (answer.ok) return answer;
  const problem = new Problem(answer.status, await answer.json().catch(() => ({})));
  throw answer.status >= 502 ? new Away(problem.message) : problem;
}

export async function get(path, query = {}) {
  const asked = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const parameters = new URLSearchParams(asked).toString();
  return (await send(parameters ? `${path}?${parameters}` : path)).json();
}

const sending = (method) => async (path, body) => {
  const headers = { "Content-Type": "application/json" };
  const answer = await send(path, { method, headers, body: JSON.stringify(body) });
  return answer.status === 204 ? null : answer.json();
};
export const post = sending("POST");
export const put = sending("PUT");
export const patch = sending("PATCH");
export const remove = (path) => send(path, { method: "DELETE" });

/** What the service says as text, like its metrics. */
export const text = async (path, accept) => (await send(path, { headers: { Accept: accept } })).text();

/** Take one message of a stream apart; null for a comment. */
function messageOf(block) {
  let kind = "message";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) kind = line.slice(6).trim();
    else if (line.startsWith("data:")) data += line.slice(5);
  }
  return data ? { kind, data: JSON.parse(data) } : null;
}

/**
 * Read server-sent events until they end; throws when they break or `stop` aborts.
 * `EventSource` cannot send a key, so this reads the stream itself.
 */
async function listen(path, stop, { onMessage, onOpen }) {
  let silence = setTimeout(() => stop.abort(), SILENT_MS);
  try {
    const headers = { Accept: "text/event-stream" };
    const answer = await send(path, { headers, signal: stop.signal });
    onOpen();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort(), SILENT_MS);
      const blocks = (rest + value.replaceAll("\r", "")).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const message = messageOf(block);
        if (message && !stop.signal.aborted) onMessage(message.kind, message.data);
      }
    }
  } finally {
    clearTimeout(silence);
  }
}

/**
 * Keep a stream open, and again after a pause whenever it breaks; returns how to stop.
 * A hidden page lets go of it: a browser grants one host six connections in all.
 */
export function follow(path, { onMessage, onState = () => {} }) {
  let stopped = false;
  let attempt = null;
  const hide = () => { if (document.hidden) attempt?.abort(); };
  document.addEventListener("visibilitychange", hide);
  const stop = () => {
    stopped = true;
    document.removeEventListener("visibilitychange", hide);
    attempt?.abort();
  };
  (async () => {
    while (!stopped) {
      await shown();
      if (stopped) return;
      attempt = new AbortController();
      let why = new Away("The stream ended.");
      try {
        await listen(path, attempt, { onMessage, onOpen: () => onState("live") });
      } catch (error) {
        why = error;
      }
      if (stopped) return;
      if (why instanceof Problem) stop();
      onState(why instanceof Problem ? "refused" : "down", why);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  })();
  return stop;
}

async function shown() {
  while (document.hidden) {
    await new Promise((resolve) => {
      document.addEventListener("visibilitychange", resolve, { once: true });
    });
  }
}
