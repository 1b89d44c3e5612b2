// A reference device without dependencies, for Node >= 20 and browsers.
//
//   ONSET_KEY=<device key> node examples/device.mjs http://127.0.0.1:8000 band-7
//
// It keeps what is not acknowledged, reconnects with jittered back-off, resends from
// welcome.ack + 1, obeys the window and says honestly what it had to give up.
//
// Browsers cannot send an Authorization header: take a ticket from POST /tickets and
// pass it as `ticket`, a function, as a ticket is good for one connection.

const CAPACITY = 65536; // readings that are kept at most
const HOPELESS = new Set([1009, 4400, 4401, 4403, 4404, 4409, 4410]);

/** One device's stream. Callbacks: onEvent, onPrediction, onOnset, onRetract, onAck. */
export class Device {
  constructor(url, device, { key, ticket, boot, profile, capacity = CAPACITY, ...on }) {
    const path = `/devices/${encodeURIComponent(device)}/stream`;
    this.url = url.replace(/^http/, "ws").replace(/\/$/, "") + path;
    Object.assign(this, { key, ticket, profile, capacity, on });
    this.boot = boot ?? globalThis.crypto.randomUUID();
    this.readings = []; // {seq, time, values} from acked + 1 on
    this.acked = 0;
    this.next = 1; // number of the next reading
    this.sent = 0; // number of the last that was sent on this connection
    this.fresh = true; // no welcome yet: numbers may still move
    this.attempt = 0;
    this.skipped = 0;
    this.over = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.over.catch(() => {}); // who never looks is not told twice
    this.connect();
  }

  /** Take one reading; null stands for a channel without a value. */
  send(values, time = Date.now() / 1000) {
    this.readings.push({ seq: this.next++, time, values });
    if (this.readings.length > this.capacity) {
      this.readings.shift(); // honest: pump() announces the hole
      this.skipped++;
    }
    this.pump();
  }

  /** End the stream; resolves when all of it is durable, rejects if that is hopeless. */
  end() {
    this.ending = true;
    this.pump();
    return this.over;
  }

  async connect() {
    const protocols = ["onset.v1.json"];
    this.welcome = null;
    this.said = "";
    try {
      if (this.ticket) protocols.push(`ticket.${await this.ticket()}`);
      this.socket = await open(this.url, protocols, this.key);
    } catch (error) {
      return this.closed(0, String(error));
    }
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.socket.onerror = () => {}; // a close follows
    this.socket.onclose = ({ code, reason }) => this.closed(code, reason);
    const hello = () => this.say({ type: "hello", boot: this.boot, profile: this.profile });
    if (this.socket.readyState === 1) hello();
    else this.socket.onopen = hello;
  }

  say(message) {
    this.socket.send(JSON.stringify(message));
  }

  hear(message) {
    switch (message.type) {
      case "welcome":
        this.resume(message);
        break;
      case "ack":
        this.attempt = 0;
        this.forget(message.ack);
        this.on.onAck?.(message.ack);
        break;
      case "error":
        this.said = message.detail;
        return;
      case "onset":
        this.on.onOnset?.(message);
        break;
      case "prediction":
        this.on.onPrediction?.(message);
        break;
      case "event":
        this.on.onEvent?.(message);
        break;
      case "retract":
        this.on.onRetract?.(message);
    }
    this.pump();
  }

  resume(welcome) {
    if (this.fresh && welcome.ack >= 1) {
      // This boot was used by a former run: what was made since moves behind it.
      for (const reading of this.readings) reading.seq += welcome.ack;
      this.next += welcome.ack;
    }
    this.fresh = false;
    this.forget(welcome.ack);
    this.acked = this.sent = welcome.ack;
    this.ended = false;
    this.welcome = welcome;
  }

  forget(ack) {
    this.acked = Math.max(this.acked, ack);
    let known = 0;
    while (known < this.readings.length && this.readings[known].seq <= ack) known++;
    this.readings.splice(0, known);
  }

  /** Send what may be sent. */
  pump() {
    if (!this.welcome || this.socket.readyState !== 1) return;
    for (;;) {
      const begin = this.readings[0]?.seq ?? this.next;
      if (begin > this.sent + 1) {
        this.say({ type: "skip", to: begin, why: "overflow" });
        this.sent = begin - 1;
      }
      const room = Math.min(this.welcome.window - (this.sent - this.acked), this.welcome.max_readings);
      const at = this.sent + 1 - begin;
      const part = this.readings.slice(at, at + Math.max(room, 0));
      if (!part.length) break;
      this.say({
        type: "readings",
        seq: part[0].seq,
        time: part.map((reading) => reading.time),
        values: part.map((reading) => reading.values),
      });
      this.sent = part.at(-1).seq;
    }
    if (this.ending && !this.ended && this.sent === this.next - 1) {
      this.ended = true;
      this.say({ type: "end" });
    }
  }

  closed(code, reason) {
    this.welcome = null;
    if (code === 1000 && this.ended && !this.readings.length) return this.resolve();
    if (HOPELESS.has(code) || /^(401|403|404) /.test(reason)) {
      return this.reject(new Error(`${code || "refused"}: ${this.said || reason}`));
    }
    if (code === 4429) this.attempt = Math.max(this.attempt, 5);
    const longest = Math.min(15000, 200 * 2 ** this.attempt++);
    setTimeout(() => this.connect(), longest * (0.1 + 0.9 * Math.random()));
  }
}

/** A WebSocket: the platform's own, or with a key (and in Node) a small one of ours. */
async function open(url, protocols, key) {
  if (!key && globalThis.WebSocket) return new WebSocket(url, protocols);
  const { upgrade } = await import("./websocket.mjs");
  return upgrade(url, protocols, key ? { Authorization: `Bearer ${key}` } : {});
}

async function demonstrate(url, name) {
  const onEvent = (event) => console.log(JSON.stringify(event));
  const device = new Device(url, name, { key: process.env.ONSET_KEY, onEvent });
  const [rate, channels, total] = [50, Number(process.env.CHANNELS ?? 6), Number(process.env.READINGS ?? 3000)];
  const begun = Date.now();
  for (let n = 0; n < total; n++) {
    const size = n % 500 > 400 ? 1 : 0.05;
    device.send(Array.from({ length: channels }, (_, c) => size * Math.sin(n / 3 + c)), begun / 1000 + n / rate);
    const speed = Number(process.env.SPEED ?? 1);
    const ahead = (n * 1000) / rate / speed - (Date.now() - begun);
    const wait = new Promise((resolve) => setTimeout(resolve, Math.max(ahead, 0)));
    if (ahead > 0) await Promise.race([wait, device.over]);
  }
  await device.end();
  console.log(JSON.stringify({ type: "done", acked: device.acked, skipped: device.skipped }));
}

if (globalThis.process?.argv[1]?.endsWith("device.mjs")) {
  demonstrate(...process.argv.slice(2, 4)).catch((error) => {
    console.error(String(error));
    process.exit(1);
  });
}
