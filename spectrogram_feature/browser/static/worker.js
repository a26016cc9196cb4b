// The worker: scores one file after the other, so that the page stays responsive.
//
// Receives {file} or {rate, channels} with an id and a name, or {cancel: id}. Sends {ready} once the
// model is loaded, and for a file any number of {segment}, then {done}, {error} or {undecoded}.

import { AudioError } from "./audio/errors.js";
import { NoDecoder, open } from "./audio/decoding.js";
import { mixed } from "./audio/mixing.js";
import { load } from "./model.js";
import { cut, resampled } from "./audio/segments.js";

const SHORTEST = 1; // seconds
const COLUMNS = 2048; // of the picture of a whole recording

let settings;
let predict;
let queue = Promise.resolve();
const cancelled = new Set();

addEventListener("message", ({ data }) => {
  if (data.settings) queue = start(data.settings);
  else if (data.cancel !== undefined) cancelled.add(data.cancel);
  else queue = queue.then(() => score(data));
});

async function start(given) {
  settings = given;
  try {
    predict = await load(settings.model);
    postMessage({ ready: true });
  } catch (error) {
    postMessage({ failed: String(error.message ?? error) });
  }
}

async function score({ id, ...source }) {
  if (!predict) return;
  if (cancelled.has(id)) {
    postMessage({ id, done: true, seconds: 0, notes: [], cancelled: true });
    return;
  }
  const notes = new Set();
  try {
    const { duration, blocks } = source.file ? await open(source.file, notes) : whole(source);
    const seconds = await scoreBlocks(id, mixed(blocks, notes), duration, notes);
    postMessage({ id, done: true, seconds, notes: [...notes], cancelled: cancelled.has(id) });
  } catch (error) {
    if (error instanceof NoDecoder) postMessage({ id, undecoded: true });
    else if (error instanceof AudioError) postMessage({ id, error: error.message });
    else postMessage({ id, error: `cannot be scored (${error.message ?? error})` });
  }
}

/** A recording that is decoded already. */
function whole({ rate, channels }) {
  return { duration: channels[0].length / rate, blocks: [{ rate, channels }] };
}

async function scoreBlocks(id, blocks, duration, notes) {
  const { rate, pass, segmentSamples } = settings;
  let [total, audible] = [0, 0];
  for await (const segment of cut(resampled(blocks, rate, pass), segmentSamples)) {
    total += segment.fresh;
    if (total < SHORTEST * rate) {
      throw new AudioError(`ends at ${(total / rate).toFixed(2)} s; ${SHORTEST} s are needed`);
    }
    const { isAudible, probabilities, features } = await predict(segment.samples);
    if (isAudible) audible += segment.fresh;
    const known = Math.max(duration ?? 0, total / rate);
    postMessage({
      id,
      segment: {
        start: (total - segment.fresh) / rate,
        end: total / rate,
        probabilities: isAudible ? [...probabilities] : null,
        picture: picture(features, segment, (known * rate) / segmentSamples),
      },
      duration: known,
    });
    await breath();
    if (cancelled.has(id)) break;
  }
  if (total === 0) throw new AudioError("decodes to no samples");
  if (audible === 0) throw new AudioError("is silent from beginning to end");
  if (audible < total) {
    notes.add(`${Math.round((total - audible) / rate)} s are silent and have no weight`);
  }
  return total / rate;
}

/** The levels of the frames that no earlier segment covers, in fewer columns: 0 to 255. */
function picture({ levels, frames, bins }, { start, fresh, samples }, segments) {
  const shown = Math.max(1, Math.round((frames * fresh) / samples.length));
  const first = start === 0 ? 0 : frames - shown;
  const perSegment = Math.min(frames, Math.max(4, Math.ceil(COLUMNS / Math.max(1, segments))));
  const columns = Math.max(1, Math.round((perSegment * shown) / frames));
  const data = new Uint8Array(columns * bins);
  for (let column = 0; column < columns; column++) {
    const from = first + Math.floor((column * shown) / columns);
    const to = Math.max(from + 1, first + Math.floor(((column + 1) * shown) / columns));
    for (let bin = 0; bin < bins; bin++) {
      let sum = 0;
      for (let frame = from; frame < to; frame++) sum += levels[frame * bins + bin];
      data[column * bins + bin] = Math.round((255 * sum) / (to - from));
    }
  }
  return { columns, bins, data };
}

/** Let messages arrive, such as that of the cancel button. */
function breath() {
  return new Promise((resolve) => setTimeout(resolve));
}
