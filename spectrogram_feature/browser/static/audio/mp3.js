// Samples that an MP3 encoder adds before and after the sound, from the first frame of a file.

const DECODER_DELAY = 529; // of every MP3 decoder, samples
const SEARCHED = 2 ** 12; // bytes of the first frame

/** Return how many samples to drop at the start and at the end; zeros if the file does not tell. */
export async function encoderDelay(file) {
  const begin = await endOfTag(file);
  const bytes = new Uint8Array(await file.slice(begin, begin + SEARCHED).arrayBuffer());
  const at = Math.max(find(bytes, "Xing"), find(bytes, "Info"));
  if (at < 0) return { start: 0, end: 0 };
  const flags = bytes[at + 7];
  const fields = 4 * (flags & 1) + 2 * (flags & 2) + 25 * (flags & 4) + 0.5 * (flags & 8);
  const lame = at + 8 + fields;
  const [high, both, low] = bytes.subarray(lame + 21, lame + 24);
  if (low === undefined || bytes[lame] === 0) return { start: 0, end: 0 };
  return {
    start: ((high << 4) | (both >> 4)) + DECODER_DELAY,
    end: Math.max(0, (((both & 15) << 8) | low) - DECODER_DELAY),
  };
}

/** The length of the ID3v2 tags at the start of a file. */
async function endOfTag(file) {
  let end = 0;
  for (;;) {
    const head = new Uint8Array(await file.slice(end, end + 10).arrayBuffer());
    if (find(head, "ID3") !== 0 || head.length < 10) return end;
    end += 10 + head.subarray(6).reduce((size, byte) => size * 128 + (byte & 127), 0);
    if (head[5] & 16) end += 10; // a footer
  }
}

function find(bytes, name) {
  const codes = [...name].map((letter) => letter.charCodeAt(0));
  return bytes.findIndex((_, at) => codes.every((code, index) => bytes[at + index] === code));
}
