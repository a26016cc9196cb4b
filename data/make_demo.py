"""Compose, synthesise and write the demo set: synthetic music in FMA's layout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from common.cli import make_parser
from common.errors import UserError
from common.fma.dataset import DEMO_MARKER, get_audio_path
from common.fma.genres import ROOT_GENRES
from common.jobs.files import atomic_write
from common.jobs.journal import JOURNAL
from common.jobs.run import Job, run_jobs
from common.jobs.workers import default_workers
from common.paths import PROJECT_ROOT
from common.plotting.mp3 import encode_mp3
from data.demo.metadata import MIN_TRACKS, Recording, format_genres, format_tracks, make_plan
from data.demo.music import compose, make_artist
from data.demo.performance import perform
from data.demo.synthesis import SR

VERSION = 2
"""To be raised whenever the same seed gives other samples."""

CLIP_SECONDS = 30.0
DEFAULT_TRACKS = 240
DEFAULT_OUT = PROJECT_ROOT / "data" / "demo"

_SHORT_SECONDS = 4.0
_TRACKS_PER_JOB = 4
_DESCRIPTION = f"""\
Make the demo set: music that this program composes and synthesises itself, in the layout of the
Free Music Archive's data set, so that every notebook and command runs before the real music
is there. Each of FMA's 16 root genres has tempos, scales, chords, rhythms and instruments of its
own; artists borrow from neighbouring genres, and none is in two splits.

It is SYNTHETIC: what a classifier scores on it says nothing about music.

Writes N good tracks of 30 s, and on top of them three damaged ones as FMA has them too (an empty
file, one of 4 s, one that is no MP3), which fma_metadata/demo.json names. A track takes about
0.5 s of one core and 0.5 MB: {DEFAULT_TRACKS} tracks take a minute on two cores, 110 MB.
Stopped, the same command goes on; finished, it does nothing. The same seed gives the same files."""
_EXAMPLES = f"""\
  python data/make_demo.py
  python data/make_demo.py --tracks {MIN_TRACKS} --out /tmp/tiny     # the least: 3 a genre
  python data/make_demo.py --tracks 5000 --seed 1 --out /data/demo-5000"""


def synthesise(
    genre: str, artist: int, track_id: int, seed: int, seconds: float = CLIP_SECONDS
) -> np.ndarray:
    """Compose and perform one track.

    Parameters
    ----------
    genre : str
        One of `fma_utils.ROOT_GENRES`.
    artist : int
        Counted within the genre.
    track_id, seed : int >= 0
    seconds : float > 0

    Returns
    -------
    np.ndarray [shape=(samples, 2), dtype=float32]
        At `data.demo.synthesis.SR`, within ±0.9.
    """
    # One generator for the artist and one for the track, so that neither the number of tracks
    # nor the order in which workers take them matters.
    who = make_artist(genre, np.random.default_rng([seed, ROOT_GENRES.index(genre), artist]))
    rng = np.random.default_rng([seed, track_id])
    return perform(compose(who, rng, seconds), rng, seconds)


def make_demo(
    out: str | Path, *, tracks: int = DEFAULT_TRACKS, seed: int = 0, workers: int | None = None
) -> str:
    """Make the demo set, or what is missing of it.

    Parameters
    ----------
    out : path-like
        The data set's root; made if it is not there.
    tracks : int
        Good tracks; the damaged ones come on top.
    seed : int >= 0
    workers : int, optional
        Processes, by default one a core.

    Returns
    -------
    str
        One line that says what was done.

    Raises
    ------
    UserError
        If the number of tracks is impossible, or the folder holds anything else.
    """
    out = Path(out)
    plan = make_plan(tracks, seed)
    if not (out / JOURNAL).exists() and any(out.glob("fma_*")):
        raise UserError(f"{out} holds other data (fma_*): choose another folder with --out")
    metadata = out / "fma_metadata"
    was_complete = (metadata / "tracks.csv").exists()
    groups = [plan[i : i + _TRACKS_PER_JOB] for i in range(0, len(plan), _TRACKS_PER_JOB)]
    results = run_jobs(
        _write_tracks,
        [Job(f"{group[0].track_id:06d}", (str(out), seed, group), len(group)) for group in groups],
        folder=out,
        settings={"seed": seed, "tracks": tracks, "version": VERSION},
        workers=workers,
        description="composing",
    )
    if was_complete:
        return f"{out} is complete: {tracks} synthetic tracks, seed {seed}; nothing to do"

    sizes = [size for result in results for size in result["files"].values()]
    bit_rates = [round(8 * size / CLIP_SECONDS) for size in sizes]
    marker = {
        "synthetic": True,
        "what": "music composed and synthesised by data/make_demo.py; it says nothing about music",
        "version": VERSION,
        "seed": seed,
        "tracks": tracks,
        "damaged": {recording.damage: recording.track_id for recording in plan if recording.damage},
    }
    metadata.mkdir(exist_ok=True)
    _write(metadata / "genres.csv", format_genres(plan, seed))
    _write(metadata / DEMO_MARKER, json.dumps(marker, indent=2) + "\n")
    # Last: without it nobody takes the folder for a data set, and with it never without the marker.
    _write(metadata / "tracks.csv", format_tracks(plan, seed, bit_rates))
    return f"{out}: {tracks} synthetic tracks, {sum(sizes) / 1e6:.0f} MB, and 3 damaged on purpose"


def _write_tracks(argument: tuple[str, int, Sequence[Recording]]) -> dict[str, Any]:
    """Write a few tracks' files; tells their names relative to the root, and their sizes."""
    out, seed, recordings = argument
    files = {}
    for recording in recordings:
        path = get_audio_path(Path(out) / "fma_medium", recording.track_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_audio(path, recording, seed)
        files[path.relative_to(out).as_posix()] = path.stat().st_size
    return {"files": files}


def _write_audio(path: Path, recording: Recording, seed: int) -> None:
    if recording.damage == "empty":
        _write(path, "")
    elif recording.damage == "not_audio":
        _write(path, "<html><body><h1>404 Not Found</h1></body></html>\n")
    else:
        seconds = _SHORT_SECONDS if recording.damage == "short" else CLIP_SECONDS
        samples = synthesise(recording.genre, recording.artist, recording.track_id, seed, seconds)
        rate, mono = SR, recording.genre == "Old-Time / Historic"
        # As in the FMA, a few have another sample rate, and a few are mono.
        if recording.track_id % 23 == 0:
            samples, rate = soxr.resample(samples, SR, 48_000), 48_000
        if mono or recording.track_id % 11 == 0:
            samples = samples.mean(axis=1)
        with atomic_write(path) as file:
            file.write(encode_mp3(samples, rate))


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())


def main() -> None:
    """Run the command."""
    parser = make_parser("python data/make_demo.py", _DESCRIPTION, _EXAMPLES)
    parser.add_argument(
        "--tracks",
        type=int,
        default=DEFAULT_TRACKS,
        metavar="N",
        help=f"good tracks, at least {MIN_TRACKS}",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="other seeds, other music")
    parser.add_argument("--out", default=DEFAULT_OUT, metavar="DIR", help="where to write")
    parser.add_argument(
        "--workers", type=int, default=default_workers(), metavar="N", help="number of processes"
    )
    options = parser.parse_args()
    print(make_demo(options.out, tracks=options.tracks, seed=options.seed, workers=options.workers))


if __name__ == "__main__":
    # As __main__, the functions here would have a name that a spawned worker cannot import:
    # run the module's own copy of main.
    from common.cli import run_command
    from data.make_demo import main

    run_command(main)
