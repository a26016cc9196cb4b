// Errors that a reader of the page can correct; their messages have one line.

export class AudioError extends Error {}

/** The error of a file that the browser does not decode. */
export const undecodable = () =>
  new AudioError(
    "is no audio, is damaged, or has a format that this browser does not decode: convert it to WAV",
  );
