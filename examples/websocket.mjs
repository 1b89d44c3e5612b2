// A small WebSocket client (RFC 6455) over node:http, for Node 20, which has none, and
// wherever an Authorization header is needed. The part of the browsers' interface that
// device.mjs uses: send, close, readyState, onmessage, onerror, onclose.

import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import https from "node:https";

const MOST = 1 << 20; // bytes of a message

/** Connect; rejects with "401 Unauthorized" and the like if the upgrade is refused. */
export function upgrade(url, protocols, headers) {
  const target = new URL(url.replace(/^ws/, "http"));
  const key = randomBytes(16).toString("base64");
  const request = (target.protocol === "https:" ? https : http).request(target, {
    headers: {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": key,
      "Sec-WebSocket-Protocol": protocols.join(", "),
      ...headers,
    },
    timeout: 10000,
  });
  const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const expected = createHash("sha1").update(key + guid).digest("base64");
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("timeout", () => request.destroy(new Error("no answer")));
    request.on("response", (response) => {
      response.resume();
      reject(`${response.statusCode} ${response.statusMessage}`);
    });
    request.on("upgrade", (response, socket, head) => {
      if (response.headers["sec-websocket-accept"] !== expected) {
        socket.destroy();
        return reject(new Error("not a WebSocket server"));
      }
      socket.setTimeout(0);
      resolve(new Socket(socket, head));
    });
    request.end();
  });
}

class Socket {
  constructor(socket, head) {
    this.socket = socket;
    this.rest = head;
    this.parts = [];
    this.readyState = 1;
    socket.setNoDelay(true);
    socket.on("data", (data) => this.data(data));
    socket.on("error", (error) => this.onerror?.(error));
    socket.on("close", () => this.gone(1006, "the line broke"));
    if (head.length) setImmediate(() => this.data(Buffer.alloc(0)));
  }

  send(text) {
    this.frame(1, Buffer.from(text));
  }

  close(code = 1000) {
    if (this.readyState !== 1) return;
    this.readyState = 2;
    const body = Buffer.alloc(2);
    body.writeUInt16BE(code);
    this.frame(8, body);
    setTimeout(() => this.socket.destroy(), 1000).unref();
  }

  frame(opcode, body) {
    if (this.socket.destroyed) return;
    const head = Buffer.alloc(body.length < 126 ? 2 : body.length < 65536 ? 4 : 10);
    head[0] = 0x80 | opcode;
    head[1] = 0x80 | (head.length === 2 ? body.length : head.length === 4 ? 126 : 127);
    if (head.length === 4) head.writeUInt16BE(body.length, 2);
    if (head.length === 10) head.writeBigUInt64BE(BigInt(body.length), 2);
    const mask = randomBytes(4);
    const masked = Buffer.from(body);
    for (let i = 0; i < masked.length; i++) masked[i] ^= mask[i & 3];
    this.socket.write(Buffer.concat([head, mask, masked]));
  }

  data(data) {
    this.rest = Buffer.concat([this.rest, data]);
    for (;;) {
      if (this.rest.length < 2) return;
      let size = this.rest[1] & 127;
      const begin = size === 126 ? 4 : size === 127 ? 10 : 2;
      if (this.rest.length < begin) return;
      if (size === 126) size = this.rest.readUInt16BE(2);
      if (size === 127) size = Number(this.rest.readBigUInt64BE(2));
      if (size > MOST) return this.socket.destroy();
      if (this.rest.length < begin + size) return;
      const [first, body] = [this.rest[0], this.rest.subarray(begin, begin + size)];
      this.rest = this.rest.subarray(begin + size);
      this.take(first & 15, Boolean(first & 0x80), body);
    }
  }

  take(opcode, final, body) {
    if (opcode === 9) return this.frame(10, body);
    if (opcode === 10) return;
    if (opcode === 8) {
      if (this.readyState === 1) this.frame(8, body);
      this.socket.end();
      return this.gone(body.length > 1 ? body.readUInt16BE(0) : 1005, body.subarray(2).toString());
    }
    this.parts.push(Buffer.from(body));
    if (!final) return;
    const text = Buffer.concat(this.parts).toString();
    this.parts = [];
    this.onmessage?.({ data: text });
  }

  gone(code, reason) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}
