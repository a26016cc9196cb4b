// Channels to mono, as in common/fma/audio_blocks.py.

import { AudioError } from "./errors.js";

const BLOCK_SAMPLES = 2 ** 18; // samples of all channels that are mixed at a time
const LOUDEST = 10; // largest plausible amplitude, in full scales
const OPPOSED = 1e-2; // power of the mean over the mean of the powers, below which channels cancel

/**
 * Mix blocks of channels to mono.
 *
 * Yields {rate, samples} from {rate, channels}, channels an array of Float32Array. A block of
 * channels that cancel, for example if left = -right, is mixed with the opposed ones negated;
 * `notes` then gets an entry.
 */
export async function* mixed(blocks, notes) {
  for await (const { rate, channels } of inBlocks(blocks)) {
    let samples = mean(channels);
    if (channels.length > 1) {
      const signs = opposedSigns(channels, samples);
      if (signs) {
        samples = mean(channels, signs);
        notes.add("the channels cancel each other: the opposed ones are negated");
      }
    }
    check(samples);
    yield { rate, samples };
  }
}

/** Join and cut blocks so that each has BLOCK_SAMPLES, except before a change of the format. */
async function* inBlocks(blocks) {
  let waiting = null;
  let filled = 0;
  const finished = () => ({
    rate: waiting.rate,
    channels: waiting.channels.map((channel) => channel.subarray(0, filled)),
  });
  for await (const { rate, channels } of blocks) {
    const size = Math.max(1, Math.floor(BLOCK_SAMPLES / channels.length));
    if (waiting && (waiting.rate !== rate || waiting.channels.length !== channels.length)) {
      if (filled) yield finished();
      waiting = null;
    }
    for (let start = 0; start < channels[0].length;) {
      if (!waiting) {
        waiting = { rate, channels: channels.map(() => new Float32Array(size)) };
        filled = 0;
      }
      const count = Math.min(size - filled, channels[0].length - start);
      channels.forEach((channel, index) =>
        waiting.channels[index].set(channel.subarray(start, start + count), filled),
      );
      filled += count;
      start += count;
      if (filled === size) {
        yield finished();
        waiting = null;
      }
    }
  }
  if (waiting && filled) yield finished();
}

function mean(channels, signs = channels.map(() => 1)) {
  const result = new Float32Array(channels[0].length);
  channels.forEach((channel, index) => {
    const factor = signs[index] / channels.length;
    for (let i = 0; i < result.length; i++) result[i] += factor * channel[i];
  });
  return result;
}

/** The sign of each channel that keeps the channels from cancelling; null if they do not. */
function opposedSigns(channels, mono) {
  const powers = channels.map(variance);
  const average = powers.reduce((sum, power) => sum + power, 0) / channels.length;
  if (!(variance(mono) < OPPOSED * average)) return null;
  const loudest = channels[powers.indexOf(Math.max(...powers))];
  const signs = channels.map((channel) => (covariance(loudest, channel) < 0 ? -1 : 1));
  return signs.map((sign) => sign * signs[0]);
}

const variance = (signal) => covariance(signal, signal);

/** The covariance of every 16th sample. */
function covariance(a, b) {
  let [count, sumA, sumB, product] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i += 16) {
    count += 1;
    sumA += a[i];
    sumB += b[i];
    product += a[i] * b[i];
  }
  return product / count - (sumA / count) * (sumB / count);
}

function check(samples) {
  let peak = 0;
  for (const sample of samples) {
    const size = Math.abs(sample);
    if (!(size <= peak)) peak = size; // NaN remains
    if (Number.isNaN(peak)) break;
  }
  if (!Number.isFinite(peak)) throw new AudioError("decodes to values that are not finite");
  if (peak > LOUDEST) {
    throw new AudioError(`is damaged: it decodes to ${Math.round(peak)} times full scale`);
  }
}
