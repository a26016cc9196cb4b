"""Compose, synthesise and write the demo set: synthetic music in FMA's layout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import make_parser
from common.errors import UserError
from common.fma.dataset import DEMO_MARKER, get_audio_path
from common.fma.genres import ROOT_GENRES
from common.jobs.files import atomic_write
from common.jobs.journal import JOURNAL
from common.jobs.run import Job, run_jobs
from common.jobs.workers import default_workers
from common.paths import PROJECT_ROOT
from common.plotting.players import encode_mp3
from data.composing.music import compose, make_artist, perform
from data.composing.plan import MIN_TRACKS, Recording, format_genres, format_tracks, make_plan

VERSION = 3
"""Version of the samples of a seed; raise it with every change of the samples."""

CLIP_SECONDS, SHORT_SECONDS = 30.0, 4.0
DEFAULT_TRACKS = 240

_DESCRIPTION = f"""\
Make the demo set: synthetic music in the FMA's layout, so that every notebook and command runs
without the FMA. Each of the 16 root genres has its own tempos, scales, chords, rhythms and
instruments. Artists borrow from neighbouring genres, and no artist is in two splits. The music is
SYNTHETIC: scores on it do not transfer to real music.

Writes N good tracks of 30 s, and three damaged ones (empty, 4 s, not an MP3), which
fma_metadata/demo.json lists. {DEFAULT_TRACKS} tracks take half a minute on two cores, and 72 MB.
An interrupted command resumes when it is run again. The same seed gives the same files."""
_EXAMPLES = f"""\
  python data/make_demo.py
  python data/make_demo.py --tracks {MIN_TRACKS} --out /tmp/tiny     # the least: 3 a genre
  python data/make_demo.py --tracks 5000 --seed 1 --out /data/demo-5000"""


def synthesise(
    recording: Recording, seed: int, seconds: float, rate: int = 44_100, channels: int = 2
) -> np.ndarray:
    """Compose and perform a track; return samples [shape=(samples, channels), dtype=float32]."""
    # Each artist and track has its own generator, so the order of the tracks does not matter.
    number = ROOT_GENRES.index(recording.genre)
    artist = make_artist(recording.genre, np.random.default_rng([seed, number, recording.artist]))
    rng = np.random.default_rng([seed, recording.track_id])
    return perform(compose(artist, rng, seconds), artist, rng, seconds, rate, channels)


def make_demo(
    out: str | Path, *, tracks: int = DEFAULT_TRACKS, seed: int = 0, workers: int | None = None
) -> str:
    """Make or complete the demo set, and return a one-line summary.

    `workers` is the number of processes, by default one per core. Raises `UserError` if the number
    of tracks or the seed is out of range, or `out` contains other data.
    """
    out = Path(out)
    plan, metadata = make_plan(tracks, seed), out / "fma_metadata"
    if not (out / JOURNAL).exists() and any(out.glob("fma_*")):
        raise UserError(f"{out} holds other data (fma_*): choose another folder with --out")
    was_complete = (metadata / "tracks.csv").exists()
    groups = [plan[i : i + 4] for i in range(0, len(plan), 4)]
    jobs = [Job(f"{part[0].track_id:06d}", (str(out), seed, part), len(part)) for part in groups]
    settings = {"seed": seed, "tracks": tracks, "version": VERSION}
    results = run_jobs(
        _write_tracks, jobs, folder=out, settings=settings, workers=workers, description="composing"
    )
    if was_complete:
        return f"{out} is complete: {tracks} synthetic tracks, seed {seed}; nothing to do"
    sizes = [size for result in results for size in result["files"].values()]
    marker = {
        "synthetic": True,
        "what": "music composed and synthesised by data/make_demo.py; scores do not transfer",
        **settings,
        "damaged": {recording.damage: recording.track_id for recording in plan if recording.damage},
    }
    bit_rates = [round(8 * size / CLIP_SECONDS) for size in sizes]
    metadata.mkdir(exist_ok=True)
    _write(metadata / "genres.csv", format_genres(plan, seed).encode())
    _write(metadata / DEMO_MARKER, json.dumps(marker, indent=2).encode())
    # `find_dataset` requires tracks.csv, so it is written last.
    _write(metadata / "tracks.csv", format_tracks(plan, seed, bit_rates).encode())
    return f"{out}: {tracks} synthetic tracks, {sum(sizes) / 1e6:.0f} MB, and 3 damaged on purpose"


def _write_tracks(argument: tuple[str, int, Sequence[Recording]]) -> dict[str, Any]:
    """Write the files of a few tracks; return their names relative to the root, and sizes."""
    out, seed, recordings = argument
    files = {}
    for recording in recordings:
        path = get_audio_path(Path(out) / "fma_medium", recording.track_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, _encode(recording, seed))
        files[path.relative_to(out).as_posix()] = path.stat().st_size
    return {"files": files}


def _encode(recording: Recording, seed: int) -> bytes:
    """Return the contents of an MP3 file; sample rates and channels vary, as in the FMA."""
    if recording.damage == "empty":
        return b""
    if recording.damage == "not_audio":
        return b"<html><body><h1>404 Not Found</h1></body></html>\n"
    seconds = SHORT_SECONDS if recording.damage == "short" else CLIP_SECONDS
    is_stereo = recording.track_id % 4 == 0 and recording.genre != "Old-Time / Historic"
    rate = {0: 48_000, 1: 32_000, 2: 22_050}.get(recording.track_id % 16, 44_100)
    samples = synthesise(recording, seed, seconds, rate, 1 + is_stereo)
    return encode_mp3(samples, rate)


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)


def main() -> None:
    """Run the command."""
    parser = make_parser("python data/make_demo.py", _DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("--tracks", type=int, default=DEFAULT_TRACKS, metavar="N", help="good tracks, at least 48")
    add("--seed", type=int, default=0, metavar="S", help="seed of the music")
    add(
        "--out",
        default=PROJECT_ROOT / "data" / "demo",
        metavar="DIR",
        help="folder of the demo set",
    )
    add("--workers", type=int, default=default_workers(), metavar="N", help="number of processes")
    options = parser.parse_args()
    print(make_demo(options.out, tracks=options.tracks, seed=options.seed, workers=options.workers))


if __name__ == "__main__":
    # Import the module by its full name, so that worker processes can unpickle its functions.
    from common.cli import run_command
    from data.make_demo import main

    run_command(main)
