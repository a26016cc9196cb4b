"""Compose, synthesise and write the demo set: synthetic music in FMA's layout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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
from data.composing.music import compose, make_artist, perform
from data.importing.tables import write_metadata

VERSION = 4  # of the files of a seed; raise it with every change of the files
CLIP_SECONDS, SHORT_SECONDS = 30.0, 4.0
DEFAULT_TRACKS, MIN_TRACKS, MAX_TRACKS = 240, len(ROOT_GENRES) * len(SPLITS), 150_000

DAMAGES = {"empty": "Rock", "short": "Electronic", "not_audio": "Experimental"}  # bad files
# Number of tracks of each root genre in FMA medium.
_COUNTS = 74, 619, 178, 21, 6314, 2251, 1519, 2201, 1350, 1018, 384, 510, 1186, 7103, 154, 118

_DESCRIPTION = f"""\
Make the demo set: synthetic music in the FMA's layout, so that every notebook and command runs
without the FMA. Each of the 16 root genres has its own tempos, scales, chords, rhythms and
instruments, and artists borrow from neighbouring genres. Scores do not transfer to real music.

Writes N good tracks of 30 s, and three damaged ones (empty, 4 s, not an MP3), which
fma_metadata/demo.json lists. {DEFAULT_TRACKS} tracks take half a minute on two cores, and 72 MB.
An interrupted command resumes when it is run again. The same seed gives the same files."""
_EXAMPLES = f"""\
  python data/make_demo.py --tracks {MIN_TRACKS} --out /tmp/tiny     # the least: 3 a genre
  python data/make_demo.py --tracks 5000 --seed 1 --out /data/demo-5000"""


class Recording(NamedTuple):
    """One track of the demo set."""

    track_id: int
    genre: str
    split: str
    artist: int  # number within the genre
    damage: str = ""  # a key of `DAMAGES`, or empty


def make_plan(tracks: int, seed: int) -> list[Recording]:
    """Plan good and damaged tracks by id; each genre is in each split, each artist in one."""
    if not MIN_TRACKS <= tracks <= MAX_TRACKS:
        raise UserError(f"--tracks {tracks} does not work: use {MIN_TRACKS} to {MAX_TRACKS}")
    if seed < 0:
        raise UserError(f"--seed {seed} does not work: use at least 0")
    weights = np.cumsum([0, *np.sqrt(_COUNTS)])  # less unequal than in the FMA
    ends = np.round((tracks - MIN_TRACKS) * weights / weights[-1]).astype(int)
    parts = [(genre, "training", 0, damage) for damage, genre in DAMAGES.items()]
    for genre, count in zip(ROOT_GENRES, np.diff(ends) + len(SPLITS), strict=True):
        artists, held_out = 0, max(1, round(count / 10))
        for split, size in zip(SPLITS, (count - 2 * held_out, held_out, held_out), strict=True):
            several = -(-size // 3)  # artists of three tracks each
            parts += [(genre, split, artists + i % several, "") for i in range(size)]
            artists += several
    rng = np.random.default_rng(seed)
    folders = rng.choice(155, size=min(155, max(4, -(-len(parts) // 100))), replace=False)
    places = 2 + rng.choice(1000 * len(folders) - 2, size=len(parts), replace=False)
    ids = sorted((1000 * folders[places // 1000] + places % 1000).tolist())
    order = rng.permutation(len(parts))
    return [Recording(track_id, *parts[i]) for track_id, i in zip(ids, order, strict=True)]


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
    write_metadata(metadata, _tabulate(plan, seed))
    size = sum(size for result in results for size in result["files"].values())
    return f"{out}: {tracks} synthetic tracks, {size / 1e6:.0f} MB, and 3 damaged on purpose"


def _write_track(argument: tuple[str, int, Recording]) -> dict[str, dict[str, int]]:
    """Write the file of a track; return its name relative to the root, and its size."""
    out, seed, recording = argument
    path = get_audio_path(Path(out, "fma_medium"), recording.track_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        return {"files": {path.relative_to(out).as_posix(): file.write(_encode(recording, seed))}}


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
    # Each artist and track has its own generator, so the order of the tracks does not matter.
    number = ROOT_GENRES.index(recording.genre)
    artist = make_artist(recording.genre, np.random.default_rng([seed, number, recording.artist]))
    rng = np.random.default_rng([seed, recording.track_id])
    return perform(compose(artist, rng, seconds), artist, rng, seconds, rate, channels)


def _tabulate(plan: Sequence[Recording], seed: int) -> pd.DataFrame:
    """Return the metadata of a plan for `write_metadata`, with random titles and numbers."""
    rng, table = np.random.default_rng(seed), pd.DataFrame(plan).set_index("track_id")
    table["artist"] = table["genre"] + " Band " + (table["artist"] + 1).astype(str)
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
    add("--tracks", type=int, default=DEFAULT_TRACKS, metavar="N", help="good tracks, at least 48")
    add("--seed", type=int, default=0, metavar="S", help="seed of the music")
    add("--out", default=PROJECT_ROOT / "data/demo", metavar="DIR", help="folder of the demo set")
    add("--workers", type=int, metavar="N", help="number of processes, by default one per core")
    print(make_demo(**vars(parser.parse_args())))


if __name__ == "__main__":
    # Import the module by its full name, so that worker processes can unpickle its functions.
    from common.cli import run_command
    from data.make_demo import main

    run_command(main)
