// Decoding of a whole file at once, in browsers without AudioDecoder in workers.

import { undecodable } from "./errors.js";

const LONGEST = 30 * 60; // s; a stereo recording of this length takes 0.3 GB

/** Decode a file to {rate, channels}. */
export async function decodeWhole(file, rate) {
  const seconds = await lengthOf(file);
  if (seconds > LONGEST) {
    throw new Error(
      `lasts ${Math.round(seconds / 60)} minutes; this browser decodes at most ${LONGEST / 60} ` +
        "of this format: use a current Chrome, Edge or Firefox, or convert the file to WAV",
    );
  }
  const context = new OfflineAudioContext(1, 1, rate);
  const buffer = await context.decodeAudioData(await file.arrayBuffer()).catch(() => {
    throw undecodable();
  });
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, channel) =>
    buffer.getChannelData(channel),
  );
  return { rate, channels };
}

/** The length that a media element finds, in seconds. */
async function lengthOf(file) {
  const audio = new Audio();
  audio.preload = "metadata";
  audio.src = URL.createObjectURL(file);
  try {
    return await new Promise((resolve, reject) => {
      audio.addEventListener("loadedmetadata", () => resolve(audio.duration));
      audio.addEventListener("error", () => reject(undecodable()));
    });
  } finally {
    URL.revokeObjectURL(audio.src);
  }
}
