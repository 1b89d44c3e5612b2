// The public API, as any other client would call it.

const KEY = "onset.key";

/** Take the key out of the login link, so that it stays in no address bar or history. */
export function takeKeyFromLink() {
  const found = /[#&]key=([^&]+)/.exec(location.hash);
  if (!found) return;
  localStorage.setItem(KEY, decodeURIComponent(found[1]));
  history.replaceState(null, "", location.pathname);
}

export const hasKey = () => localStorage.getItem(KEY) !== null;
export const setKey = (key) => localStorage.setItem(KEY, key.trim());
export const forgetKey = () => localStorage.removeItem(KEY);

/** A refusal of the API: an RFC 9457 problem. */
export class Problem extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `status ${status}`);
    this.status = status;
  }
}

async function send(path, options = {}) {
  const headers = { Authorization: `Bearer ${localStorage.getItem(KEY)}`, ...options.headers };
  const answer = await fetch(path, { ...options, headers });
  if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => ({})));
  return answer;
}

export async function get(path, query = {}) {
  const parameters = new URLSearchParams(query).toString();
  return (await send(parameters ? `${path}?${parameters}` : path)).json();
}

export async function post(path, body) {
  const answer = await send(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return answer.json();
}

/**
 * Read server-sent events; `EventSource` cannot send a key, so this reads the stream itself.
 * Ends when the stream ends; throws when it breaks or `signal` aborts.
 */
export async function listen(path, { signal, lastEventId, onMessage, onOpen }) {
  const headers = { Accept: "text/event-stream" };
  if (lastEventId) headers["Last-Event-ID"] = lastEventId;
  const answer = await send(path, { headers, signal });
  onOpen?.();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value.replaceAll("\r", "");
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const message = { event: "message", data: "", id: undefined };
      for (const line of block.split("\n")) {
        const colon = line.indexOf(":");
        if (colon < 1) continue;
        const field = line.slice(0, colon);
        const text = line.slice(colon + 1).replace(/^ /, "");
        if (field === "data") message.data += text;
        else message[field] = text;
      }
      if (message.data) onMessage(message.event, JSON.parse(message.data), message.id);
    }
  }
}

/** Keep a stream open: again after a pause whenever it breaks, from the last id. */
export function follow(path, { onMessage, onState }) {
  const stop = new AbortController();
  let lastEventId;
  (async () => {
    while (!stop.signal.aborted) {
      try {
        await listen(path, {
          signal: stop.signal,
          lastEventId,
          onOpen: () => onState?.("live"),
          onMessage: (kind, data, id) => {
            if (id) lastEventId = id;
            onMessage(kind, data);
          },
        });
      } catch (error) {
        if (stop.signal.aborted) return;
        onState?.("down", error);
        if (error.status === 401 || error.status === 403) return;
      }
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
  })();
  return () => stop.abort();
}
