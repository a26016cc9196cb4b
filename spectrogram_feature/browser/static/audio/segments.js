// Mono audio at one sample rate, cut into the segments that the model takes.

import { Resampler } from "./resampler.js";

/** Convert blocks {rate, samples} to Float32Arrays at the rate `to`, exact up to `pass` Hz. */
export async function* resampled(blocks, to, pass) {
  let [resampler, current] = [null, 0];
  for await (const { rate, samples } of blocks) {
    if (rate !== current) {
      if (resampler) yield resampler.finish();
      resampler = rate === to ? null : new Resampler(rate, to, pass);
      current = rate;
    }
    yield resampler ? resampler.process(samples) : samples;
  }
  if (resampler) yield resampler.finish();
}

/**
 * Cut audio into consecutive segments, as spectrogram_feature/inference/segment_stream.py does.
 *
 * Yields {start, fresh, samples}: the index of the first sample, the number of samples that no
 * earlier segment contains, and `length` samples. The last segment ends with the audio and overlaps
 * the one before it; audio shorter than a segment is mirrored.
 */
export async function* cut(blocks, length) {
  let [start, filled, previous] = [0, 0, null];
  let segment = new Float32Array(length);
  for await (const block of blocks) {
    for (let read = 0; read < block.length;) {
      const part = block.subarray(read, read + length - filled);
      segment.set(part, filled);
      filled += part.length;
      read += part.length;
      if (filled === length) {
        yield { start, fresh: length, samples: segment };
        [previous, segment] = [segment, new Float32Array(length)];
        start += length;
        filled = 0;
      }
    }
  }
  if (!filled) return;
  const rest = segment.subarray(0, filled);
  const samples = new Float32Array(length);
  if (previous) {
    samples.set(previous.subarray(filled));
    samples.set(rest, length - filled);
    yield { start: start + filled - length, fresh: filled, samples };
  } else {
    for (let i = 0; i < length; i++) {
      const place = i % (2 * filled);
      samples[i] = rest[place < filled ? place : 2 * filled - 1 - place];
    }
    yield { start: 0, fresh: filled, samples };
  }
}
