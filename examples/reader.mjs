// Somebody else's program that acts upon predictions: reads GET /live, resumes by id.
//
//   ONSET_KEY=<viewer key> node examples/reader.mjs http://127.0.0.1:8000 [profile]
//
// Prints one JSON line per event with its prediction. Node >= 20 and browsers.

/** Yield {kind, data, id} for ever; after a break it goes on behind the last id. */
export async function* live(url, key, filters = {}, lastId = undefined) {
  for (let attempt = 0; ; attempt++) {
    try {
      const headers = { Authorization: `Bearer ${key}`, Accept: "text/event-stream" };
      if (lastId) headers["Last-Event-ID"] = lastId;
      const answer = await fetch(`${url}/live?${new URLSearchParams(filters)}`, { headers });
      if ([401, 403, 404, 422].includes(answer.status)) throw new Refused(await answer.text());
      if (!answer.ok) throw new Error(String(answer.status));
      for await (const said of parse(answer.body)) {
        attempt = 0;
        lastId = said.id ?? lastId;
        yield said;
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
    const longest = Math.min(15000, 200 * 2 ** attempt);
    await new Promise((resolve) => setTimeout(resolve, longest * (0.1 + 0.9 * Math.random())));
  }
}

class Refused extends Error {}

/** Read text/event-stream. */
async function* parse(body) {
  let [rest, said] = ["", { kind: "message", data: "" }];
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      const [, field, text] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (line === "") {
        if (said.data) yield { ...said, data: JSON.parse(said.data) };
        said = { kind: "message", data: "" };
      } else if (field === "event") said.kind = text;
      else if (field === "data") said.data += text + "\n";
      else if (field === "id") said.id = text;
    }
  }
}

if (globalThis.process?.argv[1]?.endsWith("reader.mjs")) {
  const [url, profile] = process.argv.slice(2);
  const filters = { kind: "event", ...(profile ? { profile } : {}) };
  for await (const { kind, data } of live(url, process.env.ONSET_KEY, filters)) {
    if (kind !== "event") continue;
    const { id, device, onset, prediction } = data;
    console.log(JSON.stringify({ id, device, onset, prediction }));
  }
}
