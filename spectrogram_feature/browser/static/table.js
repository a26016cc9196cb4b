// Several recordings as a table, and as CSV.

import { clock, percent } from "./text.js";

export class Table {
  /** `show` is called with the recording of a row whose button is pressed. */
  constructor(genres, show) {
    this.genres = genres;
    this.show = show;
    this.rows = new Map();
  }

  update(recording) {
    if (!this.rows.has(recording)) {
      const row = document.getElementById("rows").insertRow();
      this.rows.set(recording, row);
    }
    const row = this.rows.get(recording);
    const hadFocus = row.contains(document.activeElement);
    row.replaceChildren(this.head(recording), ...cells(recording));
    row.toggleAttribute("data-finished", recording.isFinished);
    if (hadFocus) row.querySelector("button").focus();
  }

  head(recording) {
    const head = document.createElement("th");
    head.scope = "row";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = recording.name;
    button.disabled = !recording.segments.length;
    button.addEventListener("click", () => this.show(recording));
    head.append(button);
    return head;
  }

  /** Mark the row of the recording that is shown. */
  select(recording) {
    for (const [other, row] of this.rows) row.ariaCurrent = other === recording ? "true" : null;
  }

  save(recordings) {
    const head = [
      "file",
      "seconds",
      "genre",
      "probability",
      "segments",
      "agreeing",
      ...this.genres,
    ];
    const lines = [[...head, "notes", "error"], ...recordings.map(record)].map((line) =>
      line.map(quoted).join(","),
    );
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv" }));
    link.download = "genres.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
}

function cells(recording) {
  const { state, error, duration, audible, scored } = recording;
  if (state === "failed") return [cell(error, "failure", 4)];
  if (!audible.length) return [cell(state, "quiet", 4)];
  const [best] = recording.ranked;
  const progress = recording.isFinished ? "" : ` (${percent(scored / duration)} scored)`;
  return [
    cell(clock(duration), "number"),
    cell(best.name + (state === "cancelled" ? ", of a part" : progress)),
    cell(percent(best.probability), "number"),
    cell(`${recording.agreeing} of ${audible.length}`),
  ];
}

function record(recording) {
  const { name, error, notes, audible, scored } = recording;
  if (!audible.length) {
    const empty = Array(5 + recording.genres.length).fill("");
    return [name, ...empty, notes.join("; "), error];
  }
  const [best] = recording.ranked;
  const shares = recording.probabilities.map((share) => share.toFixed(5));
  const counts = [audible.length, recording.agreeing];
  const first = [name, scored.toFixed(3), best.name, best.probability.toFixed(5), ...counts];
  return [...first, ...shares, notes.join("; "), error];
}

function cell(text, kind = "", columns = 1) {
  const made = document.createElement("td");
  made.textContent = text;
  made.className = kind;
  made.colSpan = columns;
  return made;
}

/** A field of CSV; spreadsheets must not read the name of a file as a formula. */
function quoted(value) {
  const text = String(value).replace(/^[=+\-@\t\r]/, "'$&");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
