// The newest readings of one stream, in memory that never grows.

export class Ring {
  constructor(lanes, keep) {
    this.keep = keep;
    this.seqs = new Float64Array(keep);
    this.lanes = Array.from({ length: lanes }, () => new Float32Array(keep));
    this.written = 0;
  }

  get size() { return Math.min(this.written, this.keep); }
  get first() { return this.seqs[this.place(0)]; }
  get last() { return this.seqs[this.place(this.size - 1)]; }

  /** Where the i-th oldest reading lies. */
  place(i) { return (this.written - this.size + i) % this.keep; }

  /** Add a reading; null is a missing value. Those that are known already are left out. */
  add(seq, values) {
    if (this.size && seq <= this.last) return;
    const at = this.written % this.keep;
    this.seqs[at] = seq;
    this.lanes.forEach((lane, i) => { lane[at] = values[i] ?? NaN; });
    this.written += 1;
  }

  /**
   * Add the least and greatest values of `step` readings from `seq` on.  What is said
   * again of a group makes it wider.
   */
  addGroup(seq, step, low, high) {
    const at = this.size > 1 ? this.place(this.size - 2) : -1;
    if (at < 0 || this.seqs[at] !== seq) {
      this.add(seq, low);
      this.add(seq + step / 2, high);
      return;
    }
    const next = (at + 1) % this.keep;
    this.lanes.forEach((lane, i) => {
      if (!(lane[at] <= low[i])) lane[at] = low[i] ?? lane[at];
      if (!(lane[next] >= high[i])) lane[next] = high[i] ?? lane[next];
    });
  }

  /** Add a block of `/signals`; returns how many readings are new. */
  addBlock({ first_seq, step = 1, values, low, high }) {
    const before = this.size ? this.last : first_seq - 1;
    if (values) values.forEach((row, i) => this.add(first_seq + i, row));
    else low.forEach((row, i) => this.addGroup(first_seq + i * step, step, row, high[i]));
    return Math.min(this.last - before, values ? values.length : low.length * step);
  }

  /** Take over what another ring holds. */
  copy(other) {
    for (let i = 0; i < other.size; i += 1) {
      const at = other.place(i);
      this.add(other.seqs[at], this.lanes.map((_, lane) => other.lanes[lane][at]));
    }
  }

  /** How many of the readings are older than `seq`. */
  olderThan(seq) {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.seqs[this.place(middle)] < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Least and greatest value of one lane; infinite the wrong way round if it has none. */
  range(lane, from, to) {
    const values = this.lanes[lane];
    let [least, most] = [Infinity, -Infinity];
    const end = this.olderThan(to + 1);
    for (let i = this.olderThan(from); i < end; i += 1) {
      const value = values[this.place(i)];
      if (value < least) least = value;
      if (value > most) most = value;
    }
    return [least, most];
  }

  /**
   * Least and greatest value of one lane in each block of `step` readings.
   * Blocks begin at multiples of `step`, so that they stay the same while the picture
   * scrolls; NaN where there is nothing.
   */
  fold(lane, from, to, step) {
    const origin = Math.floor(from / step);
    const count = Math.floor(to / step) - origin + 1;
    const low = new Float32Array(count).fill(NaN);
    const high = new Float32Array(count).fill(NaN);
    const values = this.lanes[lane];
    const end = this.olderThan(to + 1);
    for (let i = this.olderThan(from); i < end; i += 1) {
      const at = this.place(i);
      const value = values[at];
      const block = Math.floor(this.seqs[at] / step) - origin;
      if (!(value >= low[block])) low[block] = Number.isNaN(value) ? low[block] : value;
      if (!(value <= high[block])) high[block] = Number.isNaN(value) ? high[block] : value;
    }
    return { origin, low, high };
  }
}
