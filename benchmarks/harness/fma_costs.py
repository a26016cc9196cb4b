"""Disk, time and memory for the FMA's subsets, computed from results.json and scale.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from common.errors import UserError
from data.download import AUDIO, METADATA
from harness.rows import Row

SCALE = Path(__file__).parents[1] / "scale.md"

MANY_CORES, FEW_CORES = 16, 2
DOWNLOAD_BITS = 100e6  # per second
UNPACKING = 80.0  # seconds of a core per GiB of bzip2

# spectrogram_generation --size half on the 216 tracks of real_music, four kinds per track.
IMAGE_BYTES = 0.891e6  # per track
IMAGES_PER_SECOND = 5.6  # tracks, on FEW_CORES
IMAGE_RECORD_BYTES = 1240 * 616  # one byte per pixel

# spectrogram_feature.training --model cnn: the peak with few records.
TRAINING_BYTES = 1.0e9
SHUFFLE_BYTES = 256 << 20  # as in common.records.input_pipeline

EPOCHS, BATCH = 40, 32
NETWORKS = ("cnn", "resnet", "lstm", "gru", "crnn", "texture")

_GIB = 2**30


class Subset(NamedTuple):
    """Sizes of a subset from the FMA's metadata and the plan of `generate_records`."""

    name: str
    clips: int
    tracks: int  # with a root genre
    segments: int
    training: int  # segments of the training split
    is_limit: bool = False


SUBSETS = (
    Subset("small", 8_000, 8_000, 24_000, 19_200),
    Subset("medium", 25_000, 25_000, 46_414, 31_180),
    # Three segments per track with a root genre, four fifths of them for training.
    Subset("large", 106_574, 49_598, 148_794, 119_035, is_limit=True),
)


QUANTITIES = {
    "rate": "segments/s from then on, median",
    "medium_seconds": "whole run, s",
    "medium_megabytes": "all shards, MB",
    "parent": "peak memory of the parent, MB",
    "worker": "peak memory of the largest worker, MB",
    "segment": "Size of records, against float lists",
}
"""Names in this module, and in scale.md or results.json."""


def read_speeds(rows: Iterable[Row], scale: Path) -> dict[str, float]:
    """Return `QUANTITIES`, of the largest run in scale.md, and steps per second of each network."""
    if not scale.exists():
        raise UserError(f"{scale} is missing: make bench-scale writes it")
    last_columns = re.findall(r"^\| (.+?) \|.* ([\d.,]+) \|$", scale.read_text("utf-8"), re.M)
    measured = {name: float(value.replace(",", "")) for name, value in last_columns}
    measured |= {row.name: row.ours for row in rows}
    names = QUANTITIES | {name: f"Training of {name}" for name in NETWORKS}
    try:
        return {name: measured[quantity] for name, quantity in names.items()}
    except KeyError as error:
        raise UserError(f"{error} is in neither the results nor {scale}: measure again") from None


def _roughly(seconds: float) -> str:
    minutes = f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
    return f"{seconds:.0f} s" if seconds < 90 else minutes


def _on_both(seconds: float) -> str:
    """Format a duration on `FEW_CORES`, and its estimate on `MANY_CORES`."""
    return f"{_roughly(seconds)}, {_roughly(seconds * FEW_CORES / MANY_CORES)}"


LINES = """
tracks that are used | {tracks} | FMA's metadata
segments of 10 s | {limit}{segments} (c) | plan of `generate_records`
**disk:** archives | {archives:.1f} GiB | FMA, `data/download.py`
unpacked, without the archives | {unpacked:.0f} GiB (c) | `data/download.py`
constant-Q records | {limit}{records:.1f} GB ({mark}) | `make bench-scale`
images, half size, four kinds | {images:.0f} GB (c) | `spectrogram_generation --size half`
records of one kind of image | {image_records:.0f} GB (c) | `TFRecord_generation`
a trained network | 1 to 3 MB (m) | `spectrogram_feature.training`
**time:** download at 100 Mbit/s | {download} (c) | `data/download.py`
unpacking on 2, 16 cores | {unpacking} (c) | `data/download.py`
constant-Q records on 2, 16 cores | {limit}{extraction} ({marks}) | `make bench-scale`
these images on 2, 16 cores | {rendering} (c) | `spectrogram_generation --size half`
`NETWORK`, 40 epochs on 2 cores | {limit}{NETWORK} (c) | `make bench`
**memory:** constant-Q records | {parent:.0f} MB + {worker:.0f} MB a worker ({mark}) | `make bench-scale`
images | 416 MB a worker (c) | `spectrogram_generation --size half`
training, records kept in memory | {limit}{memory:.1f} GB (c) | `spectrogram_feature.training`
""".strip()  # noqa: E501
"""Rows of the table: quantity, format of the value, command; repeated for each ``NETWORK``."""


def _values(subset: Subset, speeds: dict[str, float]) -> dict[str, Any]:
    archives = METADATA.size + AUDIO[subset.name].size
    megabytes = subset.segments * speeds["segment"] / 1e3
    seconds = subset.segments / speeds["rate"]
    if is_measured := subset.name == "medium":
        megabytes, seconds = speeds["medium_megabytes"], speeds["medium_seconds"]
    # Training and validation records, and the shuffle buffer.
    kept = (subset.segments + subset.training) / 2 * speeds["segment"] * 1e3 + SHUFFLE_BYTES
    steps = EPOCHS * (subset.training // BATCH)
    of = f" of {subset.clips:,}" if subset.clips > subset.tracks else ""
    return {
        "limit": "≤ " if subset.is_limit else "",
        "mark": "m" if is_measured else "c",
        "marks": "m, c" if is_measured else "c",
        "tracks": f"{subset.tracks:,}{of}",
        "segments": f"{subset.segments:,}",
        "archives": archives / _GIB,
        "unpacked": (METADATA.unpacked_size + AUDIO[subset.name].unpacked_size) / _GIB,
        "records": megabytes / 1e3,
        "images": subset.tracks * IMAGE_BYTES / 1e9,
        "image_records": subset.tracks * IMAGE_RECORD_BYTES / 1e9,
        "download": _roughly(8 * archives / DOWNLOAD_BITS),
        "unpacking": _on_both(UNPACKING * archives / _GIB / FEW_CORES),
        "extraction": _on_both(seconds),
        "rendering": _on_both(subset.tracks / IMAGES_PER_SECOND),
        "parent": speeds["parent"],
        "worker": speeds["worker"],
        "memory": (TRAINING_BYTES + kept) / 1e9,
        **{name: _roughly(steps / speeds[name]) for name in NETWORKS},
    }


def costs_table(speeds: dict[str, float]) -> str:
    """Format the costs of all subsets as a Markdown table."""
    columns = [_values(subset, speeds) for subset in SUBSETS]
    table = [("", *(subset.name for subset in SUBSETS), "measured by"), ("---",) * 5]
    for line in LINES.splitlines():
        for network in NETWORKS if "NETWORK" in line else ("",):
            what, value, command = line.replace("NETWORK", network).split(" | ")
            table.append((what, *(value.format(**column) for column in columns), command))
    return "\n".join(f"| {' | '.join(line)} |" for line in table) + "\n"
