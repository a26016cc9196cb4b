// The network in ONNX Runtime: a segment of audio to probabilities and a spectrogram.

import * as ort from "./packages/ort.wasm.bundle.min.mjs";

ort.env.wasm.numThreads = 1; // more threads need headers that a plain server does not send
ort.env.wasm.wasmPaths = {
  wasm: new URL("./packages/ort-wasm-simd-threaded.wasm", import.meta.url).href,
};

/** Load the model at an address. */
export async function load(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  return (samples) => run(session, samples);
}

async function run(session, samples) {
  const waveform = new ort.Tensor("float32", samples, [1, samples.length]);
  const { audible, probabilities, features } = await session.run({ waveform });
  const [, frames, bins] = features.dims;
  return {
    isAudible: audible.data[0] > 0,
    probabilities: probabilities.data,
    features: { levels: features.data, frames, bins },
  };
}
