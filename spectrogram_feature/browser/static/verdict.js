// The most probable genre, the mean probabilities as bars, and how far to trust them.

import { agreement, clock, percent } from "./text.js";

const SHOWN = 6; // bars before "Show all"

const find = (id) => document.getElementById(id);

export class Verdict {
  constructor({ genres, accuracy }) {
    this.genres = genres;
    this.accuracy = accuracy;
    this.showsAll = false;
    find("more").addEventListener("click", () => {
      this.showsAll = !this.showsAll;
      this.drawBars();
    });
  }

  draw(recording) {
    this.recording = recording;
    const [best] = recording.ranked;
    const hasSound = recording.audible.length > 0;
    find("filename").textContent = recording.name;
    find("length").textContent = clock(recording.duration);
    find("genre").textContent = hasSound ? best.name : "Silence so far";
    find("share").textContent = hasSound ? percent(best.probability) : "";
    find("result").style.setProperty("--genre", this.genres[best.index].color);
    this.drawProgress();
    this.drawBars();
    this.drawAgreement(best);
    find("notes").replaceChildren(
      ...recording.notes.map((note) => element("li", `Note: ${note}.`)),
    );
  }

  drawProgress() {
    const { isFinished, scored, duration, state } = this.recording;
    find("progress").hidden = isFinished;
    find("progress").querySelector("progress").value = scored / (duration || 1);
    find("scored").textContent = `${clock(scored)} of ${clock(duration)}`;
    find("result").dataset.state = state;
  }

  drawBars() {
    const ranked = this.recording.ranked;
    const rows = this.showsAll ? ranked : ranked.slice(0, SHOWN);
    find("bars").replaceChildren(
      ...rows.map(({ name, index, probability }) => {
        const row = element("li");
        row.style.setProperty("--genre", this.genres[index].color);
        row.style.setProperty("--share", probability);
        row.append(element("span", name), element("i"), element("b", percent(probability)));
        return row;
      }),
    );
    find("more").hidden = ranked.length <= SHOWN;
    find("more").textContent = this.showsAll ? "Show fewer" : `Show all ${ranked.length}`;
    find("more").setAttribute("aria-expanded", this.showsAll);
  }

  drawAgreement(best) {
    const { agreeing, audible, votes, state } = this.recording;
    const others = votes.filter(([name]) => name !== best.name).slice(0, 3);
    const rest = others.map(([name, number]) => `; ${name} in ${number}`).join("");
    find("agreement").textContent =
      `${best.name} is the most probable genre in ${agreeing} of ${audible.length} segments${rest}.`;
    const part = state === "cancelled" ? "Cancelled: only a part is scored. " : "";
    find("belief").textContent = `${part}${agreement(agreeing, audible.length)}; ${this.accuracy}.`;
  }
}

function element(tag, text = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
