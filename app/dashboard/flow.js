// Readings come in blocks; a picture flows steadily behind them.

const BEHIND_SECONDS = 0.25;
export const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Flow {
  constructor(rate) {
    this.head = null; // the reading at the right edge
    this.arrival = rate; // readings per second of our time
    this.pace = rate; // the same, but steady: it sets the scale
    this.count = 0;
    this.since = this.heard = performance.now();
  }

  /** So many readings came. */
  came(n) {
    const now = performance.now();
    if (now - this.heard > 2000) [this.since, this.count] = [now, 0]; // after a silence
    this.heard = now;
    this.count += n;
    const seconds = (now - this.since) / 1000;
    if (seconds <= 1) return;
    this.arrival = 0.4 * this.arrival + 0.6 * (this.count / seconds);
    if (Math.abs(this.arrival / this.pace - 1) > 0.25) this.pace = this.arrival;
    [this.since, this.count] = [now, 0];
  }

  /** Let the head flow after the newest reading. */
  advance(seconds, last) {
    const behind = (last - (this.head ?? -Infinity)) / this.arrival;
    if (still.matches || behind > 2) {
      this.head = last;
      return;
    }
    const haste = 1 + Math.max(-0.9, Math.min(1, 2 * (behind - BEHIND_SECONDS)));
    this.head = Math.min(last, this.head + Math.min(seconds, 0.1) * this.arrival * haste);
    if (last - this.head < 0.5 && performance.now() - this.heard > 1000) this.head = last;
  }
}
