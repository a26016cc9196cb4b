// Some seconds of the microphone as a WAV file.

const PROBLEMS = {
  NotAllowedError: "The microphone is not allowed: change the permission of this page.",
  NotFoundError: "There is no microphone.",
};

/** Record; `tick` is called with the seconds that are left. */
export async function record(seconds, tick) {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers allow the microphone on https:// and on localhost only.");
  }
  let stream;
  try {
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    stream = await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new Error(PROBLEMS[error.name] ?? `The microphone fails (${error.message}).`);
  }
  const context = new AudioContext();
  try {
    await context.audioWorklet.addModule(new URL("microphone-worklet.js", import.meta.url));
    const node = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0 });
    context.createMediaStreamSource(stream).connect(node);
    const samples = await collect(node.port, seconds, context.sampleRate, tick);
    const time = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
    return new File([wav(samples, context.sampleRate)], `Microphone ${time}.wav`);
  } finally {
    stream.getTracks().forEach((track) => track.stop());
    await context.close();
  }
}

function collect(port, seconds, rate, tick) {
  const samples = new Float32Array(Math.round(seconds * rate));
  let filled = 0;
  return new Promise((resolve) => {
    port.onmessage = ({ data }) => {
      const part = data.subarray(0, samples.length - filled);
      samples.set(part, filled);
      filled += part.length;
      tick(Math.ceil((samples.length - filled) / rate));
      if (filled === samples.length) resolve(samples);
    };
  });
}

/** A WAV file of 16-bit samples, one channel. */
function wav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) =>
    [...letters].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, view.byteLength - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of the format: PCM, one channel
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, index) =>
    view.setInt16(44 + 2 * index, Math.max(-1, Math.min(1, sample)) * 32767, true),
  );
  return view.buffer;
}
