// Errors that a reader of the page can correct; their messages have one line.

export class AudioError extends Error {}

/** The error of a file that no decoder reads. */
export const undecodable = () => new AudioError("is no audio, or damaged beyond decoding");
