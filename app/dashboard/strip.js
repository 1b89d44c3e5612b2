// The newest readings of one device on a canvas: a lane a channel, events shaded.

const KEEP = 60_000; // readings; more than any screen shows

export class Strip {
  constructor(canvas) {
    this.canvas = canvas;
    this.clear();
    const draw = () => {
      if (this.dirty) this.draw();
      requestAnimationFrame(draw);
    };
    requestAnimationFrame(draw);
    new ResizeObserver(() => { this.dirty = true; }).observe(canvas);
  }

  clear(channels = [], rate = 50) {
    this.channels = channels;
    this.readings = []; // [seq, values]
    this.boot = null;
    this.spans = new Map(); // event id -> {from, to, text}
    this.arrival = rate; // readings per second of our time, measured
    this.since = performance.now();
    this.count = 0;
    this.dirty = true;
  }

  /** Add a block of consecutive readings. */
  add(block) {
    if (block.boot !== this.boot) {
      this.clear(block.channels, block.rate_hz);
      this.boot = block.boot;
    }
    const last = this.readings.length ? this.readings.at(-1)[0] : 0;
    block.values.forEach((values, i) => {
      if (block.first_seq + i > last) this.readings.push([block.first_seq + i, values]);
    });
    if (this.readings.length > KEEP) this.readings.splice(0, this.readings.length - KEEP);
    this.count += block.values.length;
    const seconds = (performance.now() - this.since) / 1000;
    if (seconds > 1) {
      this.arrival = 0.5 * this.arrival + 0.5 * (this.count / seconds);
      this.count = 0;
      this.since = performance.now();
    }
    this.dirty = true;
  }

  span(event) {
    if (this.boot !== null && event.boot !== this.boot) return;
    this.spans.set(event.id, event);
    if (this.spans.size > 200) this.spans.delete(this.spans.keys().next().value);
    this.dirty = true;
  }

  retract(id) {
    this.spans.delete(id);
    this.dirty = true;
  }

  draw() {
    this.dirty = false;
    const { canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (!this.readings.length) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();

    const shown = Math.max(60, Math.round(this.arrival * 15)); // about fifteen seconds of ours
    const end = this.readings.at(-1)[0];
    const begin = end - shown;
    let start = this.readings.length;
    while (start > 0 && this.readings[start - 1][0] >= begin) start -= 1;
    const view = this.readings.slice(start);
    const margin = 62;
    const x = (seq) => margin + ((seq - begin) / shown) * (width - margin - 4);

    pen.font = "12px system-ui, sans-serif";
    for (const event of this.spans.values()) {
      const to = event.offset_seq ?? end;
      if (to < begin) continue;
      const left = Math.max(margin, x(event.onset_seq));
      pen.fillStyle = colour("--span");
      pen.fillRect(left, 0, Math.max(2, x(to) - left), height);
      pen.fillStyle = colour("--accent");
      pen.fillText(event.text ?? "", left + 4, 13);
    }

    const lanes = this.channels.length;
    const lane = (height - 18) / lanes;
    const columns = Math.max(1, Math.round(width - margin));
    for (let channel = 0; channel < lanes; channel += 1) {
      let low = Infinity;
      let high = -Infinity;
      for (const [, values] of view) {
        const value = values[channel];
        if (value === null) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
      const top = 18 + channel * lane;
      pen.fillStyle = colour("--soft");
      pen.fillText(this.channels[channel].slice(0, 8), 4, top + lane / 2 + 4);
      if (!(high >= low)) continue;
      const span = high - low || 1;
      const y = (value) => top + lane - 2 - ((value - low) / span) * (lane - 4);
      pen.strokeStyle = `hsl(${(165 + channel * 47) % 360} 55% 50%)`;
      pen.lineWidth = 1;
      pen.beginPath();
      let column = -1;
      let least = 0;
      let most = 0;
      const stroke = () => {
        if (column < 0) return;
        pen.lineTo(margin + column, y(least));
        pen.lineTo(margin + column, y(most));
      };
      let before = null;
      for (const [seq, values] of view) {
        const value = values[channel];
        if (value === null) continue;
        const at = Math.round(((seq - begin) / shown) * columns);
        if (before !== null && seq - before > 1 + shown / columns) {
          stroke();
          column = -1;
          pen.moveTo(margin + at, y(value));
        }
        before = seq;
        if (at !== column) {
          stroke();
          column = at;
          least = value;
          most = value;
        } else {
          if (value < least) least = value;
          if (value > most) most = value;
        }
      }
      stroke();
      pen.stroke();
    }
  }
}

/** Bars: accuracy of each model version on the labelled events that it predicted. */
export function drawVersions(canvas, versions) {
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  pen.font = "12px system-ui, sans-serif";
  if (!versions.length) {
    pen.fillStyle = colour("--soft");
    pen.fillText("Accuracy by version appears once predicted events have labels.", 0, 20);
    return;
  }
  const step = Math.min(64, width / versions.length);
  versions.forEach((version, i) => {
    const bar = version.accuracy * (height - 34);
    pen.fillStyle = colour("--accent");
    pen.fillRect(i * step + 4, height - 18 - bar, step - 12, bar);
    pen.fillStyle = colour("--ink");
    pen.fillText(`${Math.round(100 * version.accuracy)} %`, i * step + 4, height - 22 - bar);
    pen.fillStyle = colour("--soft");
    pen.fillText(`v${version.model_version}`, i * step + 4, height - 4);
  });
}
