// The spectrogram and the genres of the segments on one time axis, with a cursor and a player.

import { clock, percent, spoken } from "./text.js";

const NAMED = 5; // genres that are drawn over time
const STEP = 5; // s that an arrow key moves
const TICKS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600]; // s
const WIDTH = 2048; // of the picture, pixels
const LETTER = 8; // width of a letter on the genres, pixels
const CROWD = 60; // segments above which no lines separate them
const THICK = 0.2; // probability from which a genre is named there

const find = (id) => document.getElementById(id);

export class Timeline {
  constructor({ genres, magma, pitches }) {
    this.genres = genres;
    this.magma = Uint8Array.from(magma.match(/../g), (pair) => parseInt(pair, 16));
    this.audio = new Audio();
    this.tiles = new Map();
    this.drawPitches(pitches);
    this.listen();
  }

  /** Begin with another recording. */
  open(recording) {
    this.audio.pause();
    if (this.audio.src) URL.revokeObjectURL(this.audio.src);
    this.recording = recording;
    this.tiles.clear();
    this.drawn = 0;
    this.audio.src = URL.createObjectURL(recording.file);
    this.place(0);
  }

  draw(recording) {
    this.drawPicture(recording);
    this.drawStrata(recording);
    this.drawTimes(recording.duration);
    this.place(this.seconds);
  }

  get seconds() {
    return this.audio.currentTime || 0;
  }

  listen() {
    const { audio } = this;
    const play = find("play");
    const tracks = find("tracks");
    play.addEventListener("click", () => this.toggle());
    for (const name of ["play", "pause", "ended"]) {
      audio.addEventListener(name, () => {
        play.setAttribute("aria-label", audio.paused ? "Play" : "Pause");
        play.dataset.playing = !audio.paused;
        if (!audio.paused) this.follow();
      });
    }
    audio.addEventListener("loadedmetadata", () => (play.disabled = false));
    audio.addEventListener("error", () => (play.disabled = true));
    tracks.addEventListener("pointerdown", (event) => {
      tracks.setPointerCapture(event.pointerId);
      this.seekTo(event);
    });
    tracks.addEventListener("pointermove", (event) => event.buttons && this.seekTo(event));
    tracks.addEventListener("keydown", (event) => this.press(event));
    new ResizeObserver(() => this.recording && this.drawStrata(this.recording)).observe(tracks);
  }

  seekTo({ clientX }) {
    const { left, width } = find("tracks").getBoundingClientRect();
    this.seek(((clientX - left) / width) * this.recording.duration);
  }

  press(event) {
    const moves = {
      ArrowLeft: this.seconds - STEP,
      ArrowDown: this.seconds - STEP,
      ArrowRight: this.seconds + STEP,
      ArrowUp: this.seconds + STEP,
      PageUp: this.seconds + 6 * STEP,
      PageDown: this.seconds - 6 * STEP,
      Home: 0,
      End: this.recording.duration,
    };
    if (event.key === " ") this.toggle();
    else if (event.key in moves) this.seek(moves[event.key]);
    else return;
    event.preventDefault();
  }

  seek(seconds) {
    const place = Math.min(Math.max(0, seconds), Math.max(0, this.recording.duration - 0.05));
    this.audio.currentTime = place;
    this.place(place);
  }

  toggle() {
    if (this.audio.paused) this.audio.play().catch(() => {});
    else this.audio.pause();
  }

  /** Move the cursor while the sound plays. */
  follow() {
    this.place(this.seconds);
    if (!this.audio.paused) requestAnimationFrame(() => this.follow());
  }

  place(seconds) {
    const { recording } = this;
    if (!recording?.duration) return;
    const tracks = find("tracks");
    find("cursor").style.left = `${(100 * seconds) / recording.duration}%`;
    find("clock").textContent = `${clock(seconds)} / ${clock(recording.duration)}`;
    const now = describe(recording.segmentAt(seconds), recording.genres);
    find("now").textContent = now;
    tracks.setAttribute("aria-valuemax", Math.round(recording.duration));
    tracks.setAttribute("aria-valuenow", Math.round(seconds));
    tracks.setAttribute("aria-valuetext", `${spoken(seconds)}: ${now}`);
  }

  /** Draw the segments that are new; all of them if the duration has changed. */
  drawPicture({ segments, duration }) {
    const canvas = find("picture");
    const pen = canvas.getContext("2d");
    if (this.drawn === 0 || this.pictured !== duration) {
      [canvas.width, canvas.height] = [WIDTH, segments[0].picture.bins];
      this.drawn = 0;
      this.pictured = duration;
    }
    for (const segment of segments.slice(this.drawn)) {
      const left = Math.round((WIDTH * segment.start) / duration);
      const right = Math.round((WIDTH * segment.end) / duration);
      pen.drawImage(this.tile(segment), left, 0, right - left, canvas.height);
    }
    this.drawn = segments.length;
  }

  /** The levels of a segment as a canvas, the lowest bin at the bottom. */
  tile(segment) {
    if (!this.tiles.has(segment)) {
      const { columns, bins, data } = segment.picture;
      const tile = document.createElement("canvas");
      [tile.width, tile.height] = [columns, bins];
      const image = new ImageData(columns, bins);
      for (let column = 0; column < columns; column++) {
        for (let bin = 0; bin < bins; bin++) {
          const color = 3 * data[column * bins + bin];
          const pixel = 4 * ((bins - 1 - bin) * columns + column);
          image.data.set(this.magma.subarray(color, color + 3), pixel);
          image.data[pixel + 3] = 255;
        }
      }
      tile.getContext("2d").putImageData(image, 0, 0);
      this.tiles.set(segment, tile);
    }
    return this.tiles.get(segment);
  }

  /**
   * Stack the probabilities of each segment, the most probable genre of the recording lowest; the
   * rest stays empty.
   */
  drawStrata(recording) {
    const named = recording.ranked.slice(0, NAMED);
    const canvas = find("strata");
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map(toPixels);
    [canvas.width, canvas.height] = [width, height];
    const pen = canvas.getContext("2d");
    const gap = recording.segments.length > CROWD ? 0 : toPixels(1);
    for (const { start, end, probabilities } of recording.segments) {
      const left = Math.round((width * start) / recording.duration);
      const right = Math.round((width * end) / recording.duration) - gap;
      let bottom = height;
      for (const { index } of probabilities ? named : []) {
        const top = bottom - height * probabilities[index];
        pen.fillStyle = this.genres[index].color;
        pen.fillRect(left, top, right - left, bottom - top);
        bottom = top;
      }
    }
    find("labels").replaceChildren(...this.labels(recording, named));
  }

  /** Names of genres, each in the middle of its longest thick stretch if it is long enough. */
  labels(recording, named) {
    const labels = [];
    const letters = find("labels").clientWidth / LETTER;
    named.forEach(({ name, index }, rank) => {
      const stretch = longestStretch(recording.segments, index, THICK);
      if (letters * (stretch.end - stretch.start) < recording.duration * (name.length + 1)) return;
      const center = (stretch.start + stretch.end) / 2;
      const middle = recording.segmentAt(center);
      const below = named
        .slice(0, rank)
        .reduce((sum, one) => sum + middle.probabilities[one.index], 0);
      const label = document.createElement("span");
      label.textContent = name;
      label.className = this.genres[index].dark ? "on-dark" : "on-light";
      label.style.left = `${(100 * center) / recording.duration}%`;
      label.style.bottom = `${100 * (below + middle.probabilities[index] / 2)}%`;
      labels.push(label);
    });
    return labels;
  }

  drawTimes(duration) {
    const step = TICKS.find((tick) => duration / tick <= 8) ?? 7200;
    const ticks = [];
    for (let seconds = 0; seconds < duration - step / 4; seconds += step) {
      const tick = document.createElement("span");
      tick.textContent = clock(seconds);
      tick.style.left = `${(100 * seconds) / duration}%`;
      ticks.push(tick);
    }
    find("times").replaceChildren(...ticks);
  }

  drawPitches(pitches) {
    const labels = pitches.map(({ name, place }) => {
      const label = document.createElement("span");
      label.textContent = name;
      label.style.bottom = `${100 * place}%`;
      return label;
    });
    find("pitches").replaceChildren(...labels);
  }
}

/** The two most probable genres of a segment. */
function describe(segment, genres) {
  if (!segment) return "";
  const span = `${clock(segment.start)}–${clock(segment.end)}`;
  if (!segment.probabilities) return `${span}: silent`;
  const order = [...genres.keys()].sort(
    (a, b) => segment.probabilities[b] - segment.probabilities[a],
  );
  const two = order
    .slice(0, 2)
    .map((index) => `${genres[index]} ${percent(segment.probabilities[index])}`);
  return `${span}: ${two.join(", ")}`;
}

/** Start and end of the longest run of segments in which a genre has at least some probability. */
function longestStretch(segments, index, least) {
  let best = { start: 0, end: 0 };
  let run = null;
  for (const { start, end, probabilities } of segments) {
    const isIn = (probabilities?.[index] ?? 0) >= least;
    run = isIn ? { start: run?.start ?? start, end } : null;
    if (run && run.end - run.start > best.end - best.start) best = run;
  }
  return best;
}

const toPixels = (length) => Math.round(length * devicePixelRatio);
