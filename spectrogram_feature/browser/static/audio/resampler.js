// Sample-rate conversion with a windowed sinc, block by block.

const ATTENUATION = 100; // of the stop band, dB
const BETA = 0.1102 * (ATTENUATION - 8.7); // of the Kaiser window
const WIDEST = 0.913; // share of the lower Nyquist frequency that passes at most, as in soxr's HQ

/**
 * A polyphase filter from one sample rate to another (integers, Hz).
 *
 * Frequencies up to `pass` (Hz) are those of the input. Aliases are allowed above `pass`, which makes
 * the filter several times shorter. If `pass` is near the lower Nyquist frequency, nothing above that
 * frequency passes. The output begins with the first input sample and has as many seconds as the
 * input.
 */
export class Resampler {
  constructor(from, to, pass) {
    const divisor = greatestCommonDivisor(from, to);
    this.up = to / divisor;
    this.down = from / divisor;
    const lower = Math.min(from, to);
    const edge = Math.min(pass, (WIDEST * lower) / 2);
    const stop = edge < pass ? lower / 2 : lower - edge;
    const transition = (2 * Math.PI * (stop - edge)) / from;
    this.taps = 4 * Math.ceil((ATTENUATION - 7.95) / (2.285 * transition) / 4);
    this.phases = this.makePhases((edge + stop) / from);
    this.rest = new Float32Array(this.taps / 2 - 1); // zeros before the first sample
    this.first = 1 - this.taps / 2; // index of the first sample of `rest`
    this.read = 0; // samples read
    this.written = 0; // samples returned
  }

  /** One filter (taps) for each position of an output sample between two input samples. */
  makePhases(cutoff) {
    const { taps, up } = this;
    const half = taps / 2;
    const phases = Array.from({ length: up }, () => new Float32Array(taps));
    for (let phase = 0; phase < up; phase++) {
      const filter = phases[phase];
      let sum = 0;
      for (let tap = 0; tap < taps; tap++) {
        const distance = tap - half + 1 - phase / up;
        filter[tap] = cutoff * sinc(cutoff * distance) * kaiser(distance / half);
        sum += filter[tap];
      }
      for (let tap = 0; tap < taps; tap++) filter[tap] /= sum;
    }
    return phases;
  }

  /** Convert a block; samples near its end are returned with the next block. */
  process(block) {
    this.read += block.length;
    const input = new Float32Array(this.rest.length + block.length);
    input.set(this.rest);
    input.set(block, this.rest.length);
    return this.convert(input, Infinity);
  }

  /** Return the last samples. */
  finish() {
    const input = new Float32Array(this.rest.length + this.taps / 2);
    input.set(this.rest);
    return this.convert(input, Math.round((this.read * this.up) / this.down));
  }

  convert(input, end) {
    const { taps, up, down, phases, first } = this;
    const before = taps / 2 - 1;
    const last = first + input.length - 1 - taps / 2; // last position that has all its taps
    const count = Math.min(Math.floor(((last + 1) * up - 1) / down) + 1, end) - this.written;
    const output = new Float32Array(Math.max(0, count));
    for (let index = 0; index < output.length; index++) {
      const place = (this.written + index) * down;
      const position = Math.floor(place / up);
      output[index] = dot(phases[place - position * up], input, position - before - first);
    }
    this.written += output.length;
    const next = Math.floor((this.written * down) / up) - before;
    this.rest = input.slice(Math.max(0, next - first));
    this.first = Math.max(first, next);
    return output;
  }
}

function dot(filter, input, start) {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let tap = 0; tap < filter.length; tap += 4) {
    a += filter[tap] * input[start + tap];
    b += filter[tap + 1] * input[start + tap + 1];
    c += filter[tap + 2] * input[start + tap + 2];
    d += filter[tap + 3] * input[start + tap + 3];
  }
  return a + b + c + d;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** The Kaiser window at a position from -1 to 1, without its constant factor. */
function kaiser(x) {
  return Math.abs(x) >= 1 ? 0 : bessel(BETA * Math.sqrt(1 - x * x));
}

/** The modified Bessel function of the first kind and order 0, by its power series. */
function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a, b) {
  return b ? greatestCommonDivisor(b, a % b) : a;
}
