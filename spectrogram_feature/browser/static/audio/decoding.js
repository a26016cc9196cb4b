// Audio files as blocks of samples, in constant memory: Mediabunny reads the container, the
// browser's AudioDecoder the packets.

import { ALL_FORMATS, AudioSampleSink, BlobSource, Input } from "../packages/mediabunny.min.mjs";
import { AudioError, undecodable } from "./errors.js";
import { encoderDelay } from "./mp3.js";

const RATES = [1_000, 768_000]; // lowest and highest plausible sample rate, Hz
const MOST_CHANNELS = 32;

/** The browser has no decoder for the file here; it may have one outside of workers. */
export class NoDecoder extends Error {}

/** A file, opened: its duration in seconds as far as it is known, and its blocks. */
export async function open(file, notes) {
  if (file.size === 0) throw new AudioError("the file is empty");
  const input = new Input({ source: new BlobSource(file), formats: ALL_FORMATS });
  const track = await firstTrack(input);
  if (!(await track.canDecode())) throw new NoDecoder();
  return {
    duration: await durationOf(track),
    blocks: trimmed(decoded(track, notes), await padding(input, file)),
  };
}

/** The duration as far as the file tells it, s. */
async function durationOf(track) {
  try {
    return (await track.getDurationFromMetadata()) ?? (await track.computeDuration());
  } catch {
    return null;
  }
}

async function firstTrack(input) {
  try {
    const track = await input.getPrimaryAudioTrack();
    if (track) return track;
  } catch {
    throw new NoDecoder();
  }
  throw new AudioError("has no sound track");
}

/** Samples before and after the sound that no decoder of a browser removes. */
async function padding(input, file) {
  const format = await input.getFormat();
  return format.name === "MP3" ? encoderDelay(file) : { start: 0, end: 0 };
}

/** Yield {rate, channels}; a file that stops decoding ends there, with a note. */
async function* decoded(track, notes) {
  let seconds = 0;
  try {
    for await (const sample of new AudioSampleSink(track).samples()) {
      const { sampleRate: rate, numberOfFrames: length } = sample;
      const channels = channelsOf(sample);
      seconds += length / rate;
      yield { rate, channels };
    }
  } catch (error) {
    if (error instanceof AudioError) throw error;
    if (seconds > 0) notes.add(`does not decode after ${seconds.toFixed(2)} s`);
  }
  if (seconds === 0) throw undecodable();
}

/** The channels of a sample of Mediabunny, which is closed. */
function channelsOf(sample) {
  const { sampleRate: rate, numberOfChannels: count, numberOfFrames: length } = sample;
  try {
    if (!(rate >= RATES[0] && rate <= RATES[1]) || count > MOST_CHANNELS) {
      throw new AudioError(`is damaged: it has ${count} channels at ${rate} Hz`);
    }
    return Array.from({ length: count }, (_, planeIndex) => {
      const channel = new Float32Array(length);
      sample.copyTo(channel, { planeIndex, format: "f32-planar" });
      return channel;
    });
  } finally {
    sample.close();
  }
}

/** Drop samples at the start and at the end. */
async function* trimmed(blocks, { start, end }) {
  const waiting = [];
  let held = 0;
  for await (const block of blocks) {
    const drop = Math.min(start, block.channels[0].length);
    start -= drop;
    waiting.push(sliced(block, drop));
    held += lengthOf(waiting.at(-1));
    while (waiting.length && held - lengthOf(waiting[0]) >= end) {
      held -= lengthOf(waiting[0]);
      yield waiting.shift();
    }
  }
  for (const block of waiting) {
    const kept = Math.min(lengthOf(block), Math.max(0, held - end));
    held -= lengthOf(block);
    if (kept) yield sliced(block, 0, kept);
  }
}

const lengthOf = ({ channels }) => channels[0].length;

const sliced = ({ rate, channels }, ...range) => ({
  rate,
  channels: channels.map((channel) => channel.subarray(...range)),
});
