// One recording: its state, the segments scored so far, and what they amount to.

let count = 0;

export class Recording {
  /** `source` is the file, and `genres` the names in the order of the probabilities. */
  constructor(file, genres) {
    this.id = count++;
    this.file = file;
    this.name = file.name || "Recording";
    this.genres = genres;
    this.state = "waiting"; // then scoring; at last done, cancelled or failed
    this.segments = [];
    this.duration = 0; // s, an estimate until the state is done
    this.notes = [];
    this.error = "";
  }

  get isFinished() {
    return ["done", "cancelled", "failed"].includes(this.state);
  }

  get audible() {
    return this.segments.filter((segment) => segment.probabilities);
  }

  get scored() {
    return this.segments.at(-1)?.end ?? 0;
  }

  /** The mean probability of each genre, weighted by the new seconds of each audible segment. */
  get probabilities() {
    const sums = this.genres.map(() => 0);
    let weight = 0;
    for (const { start, end, probabilities } of this.audible) {
      weight += end - start;
      probabilities.forEach((value, index) => (sums[index] += (end - start) * value));
    }
    return sums.map((sum) => sum / (weight || 1));
  }

  /** The genres as {name, index, probability}, the most probable first. */
  get ranked() {
    const named = this.probabilities.map((probability, index) => ({
      name: this.genres[index],
      index,
      probability,
    }));
    return named.sort((a, b) => b.probability - a.probability);
  }

  /** How many audible segments have the genre of the recording as their most probable one. */
  get agreeing() {
    return this.votes.find(([name]) => name === this.ranked[0].name)?.[1] ?? 0;
  }

  /** How many audible segments have each genre as their most probable one, the most first. */
  get votes() {
    const votes = new Map();
    for (const { probabilities } of this.audible) {
      const name = this.genres[probabilities.indexOf(Math.max(...probabilities))];
      votes.set(name, (votes.get(name) ?? 0) + 1);
    }
    return [...votes].sort((a, b) => b[1] - a[1]);
  }

  segmentAt(seconds) {
    return this.segments.find(({ end }) => seconds < end) ?? this.segments.at(-1);
  }
}
