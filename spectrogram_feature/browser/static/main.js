// The page: recordings go to the worker, what it answers goes to the views.

import { decodeWhole } from "./audio/fallback.js";
import { record } from "./audio/microphone.js";
import { Recording } from "./recording.js";
import { Table } from "./table.js";
import { agreement, percent } from "./text.js";
import { Timeline } from "./timeline.js";
import { Verdict } from "./verdict.js";

const settings = JSON.parse(document.getElementById("settings").textContent);
const names = settings.genres.map(({ name }) => name);
const find = (id) => document.getElementById(id);

const PAUSE = 100; // ms between drawings

const recordings = new Map();
let shown = null;
let drawing = null; // a timer

const timeline = new Timeline(settings);
const verdict = new Verdict(settings);
const table = new Table(names, show);
document.documentElement.dataset.ready = "loading";
const worker = startWorker();

function startWorker() {
  if (typeof WebAssembly !== "object") {
    fail("This browser has no WebAssembly, or it is switched off: use a current one.");
    return null;
  }
  const started = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  started.addEventListener("message", ({ data }) => receive(data));
  started.addEventListener("error", ({ message }) =>
    fail(
      message ? `The page failed (${message}): load it again.` : "A file of the page is missing.",
    ),
  );
  const model = new URL(settings.model, import.meta.url).href;
  started.postMessage({ settings: { ...settings, model } });
  return started;
}

/** The page cannot predict anything. */
function fail(message) {
  document.documentElement.dataset.ready = "failed";
  find("status").textContent = "";
  complain(message);
  find("chooser").disabled = find("record").disabled = true;
}

function complain(message) {
  find("trouble").textContent = message;
  find("trouble").hidden = !message;
}

function receive(answer) {
  if (answer.ready) {
    document.documentElement.dataset.ready = "ready";
    find("status").textContent = "Model ready";
    return;
  }
  if (answer.failed) {
    fail(`The model cannot be loaded (${answer.failed}): make the page again.`);
    return;
  }
  const recording = recordings.get(answer.id);
  if (answer.segment) {
    recording.state = "scoring";
    recording.segments.push(answer.segment);
    recording.duration = answer.duration;
  } else if (answer.done) {
    recording.state = answer.cancelled ? "cancelled" : "done";
    recording.duration = answer.seconds;
    recording.notes = answer.notes;
  } else if (answer.undecoded) {
    decodeWhole(recording.file, settings.rate).then(
      (whole) => worker.postMessage({ id: recording.id, ...whole }),
      (error) => receive({ id: recording.id, error: error.message }),
    );
  } else {
    recording.state = "failed";
    recording.error = answer.error;
  }
  update(recording);
}

/** Draw what has changed about a recording. */
function update(recording) {
  table.update(recording);
  find("files").hidden = recordings.size < 2;
  find("cancel-all").hidden = [...recordings.values()].every(({ isFinished }) => isFinished);
  if (!shown || (recordings.size === 1 && recording.segments.length)) show(recording);
  else if (shown === recording) draw();
  if (!recording.isFinished) return;
  if (recording.state === "failed") complain(`${recording.name}: ${recording.error}`);
  announce(recording);
}

function show(recording) {
  if (!recording.segments.length) return;
  if (shown !== recording) timeline.open(recording);
  shown = recording;
  table.select(recording);
  draw();
}

/** Draw the recording that is shown, ten times a second at most. */
function draw() {
  drawing ??= setTimeout(() => {
    drawing = null;
    if (!shown) return;
    find("result").hidden = false;
    document.body.classList.add("answered");
    timeline.draw(shown);
    verdict.draw(shown);
  }, PAUSE);
}

/** Tell screen readers the result; errors are announced where they are shown. */
function announce({ name, ranked, agreeing, audible }) {
  if (!audible.length) return;
  const [best] = ranked;
  const verdict = `${best.name}, ${percent(best.probability)}`;
  find("announcement").textContent = `${name}: ${verdict}. ${agreement(agreeing, audible.length)}.`;
}

/** Queue files; the first of them is shown. */
function add(files) {
  if (!worker || !files.length) return;
  complain("");
  shown = null;
  for (const file of files) {
    const recording = new Recording(file, names);
    recordings.set(recording.id, recording);
    worker.postMessage({ id: recording.id, file });
    update(recording);
  }
}

find("chooser").addEventListener("change", ({ target }) => {
  add([...target.files]);
  target.value = "";
});
find("record").addEventListener("click", async ({ currentTarget: button }) => {
  complain("");
  const label = button.textContent;
  button.disabled = true;
  try {
    add([await record(settings.seconds, (left) => (button.textContent = `Recording… ${left} s`))]);
  } catch (error) {
    complain(error.message);
  }
  button.textContent = label;
  button.disabled = false;
});
for (const id of ["cancel", "cancel-all"]) {
  find(id).addEventListener("click", () => {
    for (const recording of recordings.values()) {
      if (!recording.isFinished) worker.postMessage({ cancel: recording.id });
    }
  });
}
find("save").addEventListener("click", () => table.save([...recordings.values()]));

addEventListener("dragover", (event) => {
  event.preventDefault();
  find("dropping").hidden = false;
});
addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) find("dropping").hidden = true;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  find("dropping").hidden = true;
  add([...event.dataTransfer.files]);
  if (!event.dataTransfer.files.length) complain("Drop audio files here.");
});
