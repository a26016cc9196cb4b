// Errors that a reader of the page can correct; their messages have one line.

export class AudioError extends Error {}

/** The error of a file that the browser does not decode. */
export const undecodable = () =>
  new AudioError(
    "does not decode in this browser: it is no audio, damaged, or of another format; " +
      "WAV, FLAC, MP3 and OGG decode everywhere",
  );
