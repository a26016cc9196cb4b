"""Compose, synthesise and write the demo set: synthetic music in FMA's layout."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from common.cli import make_parser
from common.errors import UserError
from common.fma.dataset import DEMO_MARKER, get_audio_path
from common.fma.genres import ROOT_GENRES
from common.fma.metadata import SPLITS
from common.jobs.files import atomic_write
from common.jobs.journal import JOURNAL
from common.jobs.run import Job, run_jobs
from common.paths import PROJECT_ROOT
from common.plotting.players import encode_mp3
from data.composing.genres import STYLES, SUBGENRES, Style
from data.composing.music import Note, alternate, compose, make_artist, perform, sounds
from data.importing.tables import write_metadata

VERSION = 5  # of the files of a seed; raise it with every change of the files
CLIP_SECONDS, SHORT_SECONDS = 30.0, 4.0
DEFAULT_TRACKS, MIN_TRACKS, MAX_TRACKS = 240, len(ROOT_GENRES) * len(SPLITS), 140_000

DAMAGES = {"empty": "Rock", "short": "Electronic", "not_audio": "Experimental"}  # bad files
# Number of tracks of each root genre in FMA medium.
_COUNTS = 74, 619, 178, 21, 6314, 2251, 1519, 2201, 1350, 1018, 384, 510, 1186, 7103, 154, 118
# Root genres with sub-genres, beside Pop.
_OF_MEDLEYS = "Rock", "Electronic", "Experimental", "Hip-Hop", "Folk", "Instrumental"
_MEDLEY_SEED = 10  # with it, each sub-genre of the default set is in each split

_DESCRIPTION = """\
Make the demo set: synthetic music in the FMA's layout, so that every notebook and command runs
without the FMA. Each of the 16 root genres has its own tempos, scales, chords, rhythms and
instruments, and artists borrow from neighbouring genres. The frequent genres have sub-genres: the
tracks in which an instrument plays, such as Guitar Rock. Scores do not transfer to real music.

Writes N good tracks of 30 s with one root genre; N/10 medleys, which alternate between two root
genres every 5 s and have no genre_top; and three damaged tracks (empty, 4 s, not an MP3), which
fma_metadata/demo.json lists. The default set takes 70 s of processor time, and 79 MB. An
interrupted command resumes when it is run again. The same seed gives the same files."""
_EXAMPLES = f"""\
  python data/make_demo.py --tracks {MIN_TRACKS} --out /tmp/tiny     # the least: 3 a genre
  python data/make_demo.py --tracks 5000 --seed 1 --out /data/demo-5000"""


class Recording(NamedTuple):
    """One track of the demo set."""

    track_id: int
    genre: str
    split: str
    artist: int  # number within the genre, or within the medleys
    damage: str = ""  # a key of `DAMAGES`, or empty
    second: str = ""  # second root genre of a medley, or empty

    @property
    def root_genres(self) -> list[str]:
        """The root genre, or the two of a medley."""
        return [self.genre, self.second] if self.second else [self.genre]


def make_plan(tracks: int, seed: int) -> list[Recording]:
    """Plan good tracks, medleys and damaged tracks by id.

    Each genre is in each split, and each artist in one.
    """
    if not MIN_TRACKS <= tracks <= MAX_TRACKS:
        raise UserError(f"--tracks {tracks} does not work: use {MIN_TRACKS} to {MAX_TRACKS}")
    if seed < 0:
        raise UserError(f"--seed {seed} does not work: use at least 0")
    weights = np.cumsum([0, *np.sqrt(_COUNTS)])  # less unequal than in the FMA
    ends = np.round((tracks - MIN_TRACKS) * weights / weights[-1]).astype(int)
    parts = [(genre, "training", 0, damage) for damage, genre in DAMAGES.items()]
    for genre, count in zip(ROOT_GENRES, np.diff(ends) + len(SPLITS), strict=True):
        artists = 0
        for split, size in _divide(count):
            several = -(-size // 3)  # artists of three tracks each
            parts += [(genre, split, artists + i % several, "") for i in range(size)]
            artists += several
    rng = np.random.default_rng(seed)
    folders = rng.choice(155, size=min(155, max(4, -(-len(parts) // 100))), replace=False)
    places = 2 + rng.choice(1000 * len(folders) - 2, size=len(parts), replace=False)
    ids = sorted((1000 * folders[places // 1000] + places % 1000).tolist())
    order = rng.permutation(len(parts))
    plan = [Recording(track_id, *parts[i]) for track_id, i in zip(ids, order, strict=True)]
    free = np.setdiff1d(np.arange(2, 1000 * len(folders)), places)
    places = rng.choice(free, size=max(len(SPLITS), round(tracks / 10)), replace=False)
    plan += _plan_medleys((1000 * folders[places // 1000] + places % 1000).tolist())
    return sorted(plan)


def _divide(count: int) -> list[tuple[str, int]]:
    """Divide a number of tracks among the splits, a tenth for validation and for test."""
    held_out = max(1, round(count / 10))
    return list(zip(SPLITS, (count - 2 * held_out, held_out, held_out), strict=True))


def _plan_medleys(ids: Sequence[int]) -> Iterator[Recording]:
    """Pair Pop with each of its neighbours, and `_OF_MEDLEYS` with their first neighbour."""
    pairs = []
    for neighbour, genre in zip(STYLES["Pop"].neighbours.split(", "), _OF_MEDLEYS, strict=True):
        pairs += [("Pop", neighbour), (genre, STYLES[genre].neighbours.split(", ")[0])]
    splits = [split for split, size in _divide(len(ids)) for _ in range(size)]
    for i, (track_id, split) in enumerate(zip(ids, splits, strict=True)):
        genre, second = pairs[i % len(pairs)]
        yield Recording(track_id, genre, split, i, second=second)


def make_demo(
    out: str | Path, *, tracks: int = DEFAULT_TRACKS, seed: int = 0, workers: int | None = None
) -> str:
    """Make or complete the demo set, by default with a process per core; return a summary."""
    out, plan = Path(out), make_plan(tracks, seed)
    if not (out / JOURNAL).exists() and any(out.glob("fma_*")):
        raise UserError(f"{out} holds other data (fma_*): choose another folder with --out")
    metadata = out / "fma_metadata"
    jobs = [Job(f"{track.track_id:06d}", (str(out), seed, track)) for track in plan]
    settings = {"seed": seed, "tracks": tracks, "version": VERSION}
    results = run_jobs(
        _write_track, jobs, folder=out, settings=settings, workers=workers, description="composing"
    )
    if (metadata / "tracks.csv").exists():
        return f"{out} is complete: {tracks} synthetic tracks, seed {seed}; nothing to do"
    damaged = {recording.damage: recording.track_id for recording in plan if recording.damage}
    marker = {"synthetic": True, "made by": "data/make_demo.py", **settings, "damaged": damaged}
    metadata.mkdir(exist_ok=True)
    (metadata / DEMO_MARKER).write_text(json.dumps(marker, indent=2))
    genres = [tuple(result["genres"]) for result in results]
    roots = {genre: root for genre, (root, _) in SUBGENRES.items()}
    write_metadata(metadata, _tabulate(plan, seed).assign(genres=genres), roots)
    size = sum(size for result in results for size in result["files"].values())
    medleys = sum(recording.second != "" for recording in plan)
    made = f"{tracks} synthetic tracks and {medleys} medleys, {size / 1e6:.0f} MB"
    return f"{out}: {made}, and 3 damaged on purpose"


def _write_track(argument: tuple[str, int, Recording]) -> dict[str, Any]:
    """Write the file of a track; return its name relative to the root, its size and its genres."""
    out, seed, recording = argument
    path = get_audio_path(Path(out, "fma_medium"), recording.track_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        size = file.write(_encode(recording, seed))
    name = path.relative_to(out).as_posix()
    return {"files": {name: size}, "genres": find_genres(recording, seed, CLIP_SECONDS)}


def _encode(recording: Recording, seed: int) -> bytes:
    """Return the contents of an MP3 file; sample rates and channels vary, as in the FMA."""
    if recording.damage == "empty":
        return b""
    if recording.damage == "not_audio":
        return b"<html><body><h1>404 Not Found</h1></body></html>\n"
    seconds = SHORT_SECONDS if recording.damage == "short" else CLIP_SECONDS
    is_stereo = recording.track_id % 4 == 0 and recording.genre != "Old-Time / Historic"
    rate = {0: 48_000, 1: 32_000, 2: 22_050}.get(recording.track_id % 16, 44_100)
    return encode_mp3(synthesise(recording, seed, seconds, rate, 1 + is_stereo), rate)


def synthesise(
    recording: Recording, seed: int, seconds: float, rate: int = 44_100, channels: int = 2
) -> np.ndarray:
    """Compose and perform a track; return samples [shape=(samples, channels), dtype=float32]."""
    first, *others = [
        perform(notes, artist, rng, seconds, rate, channels)
        for notes, artist, rng in _compose(recording, seed, seconds)
    ]
    return alternate(first, *others, rate=rate) if others else first


def find_genres(recording: Recording, seed: int, seconds: float) -> list[str]:
    """Return the sub-genres of a track, and its root genres without any."""
    genres = []
    for root, (notes, _, _) in zip(
        recording.root_genres, _compose(recording, seed, seconds), strict=True
    ):
        played = sounds(notes)
        of_root = {title: sound for title, (top, sound) in SUBGENRES.items() if top == root}
        genres += [title for title, sound in of_root.items() if sound in played] or [root]
    return genres


def _compose(
    recording: Recording, seed: int, seconds: float
) -> Iterator[tuple[list[Note], Style, np.random.Generator]]:
    """Compose each root genre of a track; yield notes, artist and the generator to perform with."""
    # Each artist and track has its own generator, so the order of the tracks does not matter.
    for i, genre in enumerate(recording.root_genres):
        key = [seed, ROOT_GENRES.index(genre), recording.artist]
        key += [_MEDLEY_SEED] * bool(recording.second)  # medleys have their own artists
        artist = make_artist(genre, np.random.default_rng(key))
        rng = np.random.default_rng([seed, recording.track_id, *i * [1]])
        yield compose(artist, rng, seconds), artist, rng


def _tabulate(plan: Sequence[Recording], seed: int) -> pd.DataFrame:
    """Return the metadata of a plan for `write_metadata`, with random titles and numbers."""
    rng, table = np.random.default_rng(seed), pd.DataFrame(plan).set_index("track_id")
    bands = table["genre"].where(table["second"] == "", "Various") + " Band "
    table["artist"] = bands + (table["artist"] + 1).astype(str)
    table["title"] = [f"Song {number + 1}" for number in range(len(plan))]
    table["set", "subset"] = rng.choice(["small", "medium"], len(plan))
    table["track", "date_created"] = "2012-05-20 12:00:00"
    table["track", "duration"] = rng.integers(95, 420, len(plan))
    table["track", "listens"] = rng.lognormal(6.5, 1, len(plan)).astype(int)
    return table


def main() -> None:
    """Run the command."""
    parser = make_parser("python data/make_demo.py", _DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add(
        "--tracks",
        type=int,
        default=DEFAULT_TRACKS,
        metavar="N",
        help="good tracks with one root genre, at least 48",
    )
    add("--seed", type=int, default=0, metavar="S", help="seed of the music")
    add("--out", default=PROJECT_ROOT / "data/demo", metavar="DIR", help="folder of the demo set")
    add("--workers", type=int, metavar="N", help="number of processes, by default one per core")
    print(make_demo(**vars(parser.parse_args())))


if __name__ == "__main__":
    # Import the module by its full name, so that worker processes can unpickle its functions.
    from common.cli import run_command
    from data.make_demo import main

    run_command(main)
