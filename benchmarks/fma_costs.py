"""What the FMA costs: disk, time and memory by subset, for the README, computed from measurements.

python benchmarks/fma_costs.py            # puts the table between the README's two markers
python benchmarks/fma_costs.py --check    # only looks whether it is what the measurements say
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rows import RESULTS, read_rows

from common import cli
from common.errors import UserError
from common.paths import PROJECT_ROOT
from data.download import AUDIO, METADATA
from tools.marked_text import add_check_option, renew

README = PROJECT_ROOT / "README.md"
SCALE = Path(__file__).with_name("scale.md")
SCRIPT = "benchmarks/fma_costs.py"
PART = "fma-costs"

MANY_CORES = 16
FEW_CORES = 2
DOWNLOAD_BITS = 100e6
"""A second."""

UNPACKING = 80.0
"""Seconds of a core for each GiB of bzip2."""

# python -m spectrogram_image.spectrogram_generation --size half, on the 216 tracks of real_music.
IMAGE_BYTES = 0.891e6
"""Of the four kinds of a track."""
IMAGES_PER_SECOND = 5.6
"""Tracks, on `FEW_CORES`."""
IMAGE_MEMORY = 416e6
"""Peak of a process."""

IMAGE_RECORD_BYTES = 1240 * 616
"""A byte a pixel."""

# Likewise, spectrogram_feature.training --model cnn: the peak, with records that hardly count.
TRAINING_BYTES = 1.0e9
SHUFFLE_BYTES = 256 << 20
"""As `common.records.input_pipeline` has it."""

# cnn 1.4, crnn 2.6, texture 2.8 MB; the genres make little of it.
MODEL = "1 to 3 MB (m)"

EPOCHS = 40
BATCH = 32
NETWORKS = ("cnn", "resnet", "lstm", "gru", "crnn", "texture")

_GIB = 2**30


@dataclass(frozen=True)
class Subset:
    """What a subset of the FMA has, by its own metadata and the plan that is made of it.

    Attributes
    ----------
    name : str
    clips : int
        In the archive.
    tracks : int
        With a root genre: the others are in no plan, and are never read.
    segments : int
        Of stage 2, all splits.
    training : int
        Of these, those of the training split.
    is_limit : bool
        Whether the segments are what there can be at most.
    """

    name: str
    clips: int
    tracks: int
    segments: int
    training: int
    is_limit: bool = False


SUBSETS = (
    Subset("small", 8_000, 8_000, 24_000, 19_200),
    Subset("medium", 25_000, 25_000, 46_414, 31_180),
    # Three segments of every track with a root genre, four fifths of them for training.
    Subset("large", 106_574, 49_598, 148_794, 119_035, is_limit=True),
)


@dataclass(frozen=True)
class Speeds:
    """What was measured, on `FEW_CORES` cores.

    Attributes
    ----------
    segment_bytes : float
        Of a record.
    segments_per_second : float
        Of the extraction.
    medium_seconds, medium_bytes : float
        Of the extraction of as many tracks as medium has.
    parent, worker : float
        Peak memory of its processes, MB.
    steps : dict
        Network → training steps a second.
    """

    segment_bytes: float
    segments_per_second: float
    medium_seconds: float
    medium_bytes: float
    parent: float
    worker: float
    steps: dict[str, float]


def read_speeds(results: Path, scale: Path) -> Speeds:
    """Read results.json and scale.md.

    Raises
    ------
    UserError
        If a number that is needed is in neither.
    """
    rows = {row.name: row.ours for row in read_rows(results)}
    try:
        text = scale.read_text(encoding="utf-8")
        return Speeds(
            segment_bytes=1e3 * rows["Size of records, against float lists"],
            segments_per_second=_largest_run(text, "segments/s from then on, median"),
            medium_seconds=_largest_run(text, "whole run, s"),
            medium_bytes=1e6 * _largest_run(text, "all shards, MB"),
            parent=_largest_run(text, "peak memory of the parent, MB"),
            worker=_largest_run(text, "peak memory of the largest worker, MB"),
            steps={name: rows[f"Training of {name}"] for name in NETWORKS},
        )
    except FileNotFoundError:
        raise UserError(f"{scale} is missing: make bench-scale writes it") from None
    except KeyError as error:
        raise UserError(f"{error} is in neither {results} nor {scale}: measure anew") from None


def _largest_run(text: str, quantity: str) -> float:
    """Read a quantity of the largest run out of the table of scale.md."""
    if not (found := re.search(rf"^\| {re.escape(quantity)} \|.* ([\d.,]+) \|$", text, re.M)):
        raise KeyError(quantity)
    return float(found[1].replace(",", ""))


def _roughly(seconds: float) -> str:
    """Write a duration with as many digits as a computed one deserves."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _on_both(seconds: float) -> str:
    """Write what takes so long on `FEW_CORES` for these and for `MANY_CORES`."""
    return f"{_roughly(seconds)}, {_roughly(seconds * FEW_CORES / MANY_CORES)}"


def cells(subset: Subset, speeds: Speeds) -> list[str]:
    """Give the column of a subset, in the order of `LINES`, each cell marked."""
    archives = METADATA.size + AUDIO[subset.name].size
    unpacked = METADATA.unpacked_size + AUDIO[subset.name].unpacked_size
    record_bytes = subset.segments * speeds.segment_bytes
    seconds = subset.segments / speeds.segments_per_second
    is_measured = subset.name == "medium"
    if is_measured:
        record_bytes, seconds = speeds.medium_bytes, speeds.medium_seconds
    # Training and validation, and what is being shuffled.
    kept = (subset.segments + subset.training) / 2 * speeds.segment_bytes + SHUFFLE_BYTES
    at_most = "≤ " if subset.is_limit else ""
    of = f" of {subset.clips:,}" if subset.clips > subset.tracks else ""
    return [
        f"{subset.tracks:,}{of}",
        f"{at_most}{subset.segments:,} (c)",
        f"{archives / _GIB:.1f} GiB",
        f"{unpacked / _GIB:.0f} GiB (c)",
        f"{at_most}{record_bytes / 1e9:.1f} GB ({'m' if is_measured else 'c'})",
        f"{subset.tracks * IMAGE_BYTES / 1e9:.0f} GB (c)",
        f"{subset.tracks * IMAGE_RECORD_BYTES / 1e9:.0f} GB (c)",
        MODEL,
        f"{_roughly(8 * archives / DOWNLOAD_BITS)} (c)",
        f"{_on_both(UNPACKING * archives / _GIB / FEW_CORES)} (c)",
        f"{at_most}{_on_both(seconds)} ({'m, c' if is_measured else 'c'})",
        f"{_on_both(subset.tracks / IMAGES_PER_SECOND)} (c)",
        *(
            f"{at_most}{_roughly(EPOCHS * (subset.training // BATCH) / steps)} (c)"
            for steps in speeds.steps.values()
        ),
        f"{speeds.parent:.0f} MB + {speeds.worker:.0f} MB a worker ({'m' if is_measured else 'c'})",
        f"{IMAGE_MEMORY / 1e6:.0f} MB a worker (c)",
        f"{at_most}{(TRAINING_BYTES + kept) / 1e9:.1f} GB (c)",
    ]


LINES = (
    ("tracks that are used", "FMA's metadata"),
    ("segments of 10 s", "plan of `generate_records`"),
    ("**disk:** archives", "FMA's word, `data/download.py`"),
    ("unpacked; the archives may go", "`data/download.py`"),
    ("constant-Q records", "`make bench-scale`"),
    ("images, half size, four kinds", "`spectrogram_generation --size half`"),
    ("records of one kind of image", "`TFRecord_generation`"),
    ("a trained network", "`spectrogram_feature.training`"),
    ("**time:** download at 100 Mbit/s", "`data/download.py`"),
    (f"unpacking on {FEW_CORES}, {MANY_CORES} cores", "`data/download.py`"),
    (f"constant-Q records on {FEW_CORES}, {MANY_CORES} cores", "`make bench-scale`"),
    (f"these images on {FEW_CORES}, {MANY_CORES} cores", "`spectrogram_generation --size half`"),
    *((f"`{name}`, {EPOCHS} epochs on {FEW_CORES} cores", "`make bench`") for name in NETWORKS),
    ("**memory:** constant-Q records", "`make bench-scale`"),
    ("images", "`spectrogram_generation --size half`"),
    ("training, records kept in memory", "`spectrogram_feature.training`"),
)
"""What the table's lines tell, and the command that was measured."""


def markdown_table(speeds: Speeds) -> str:
    """Write the table."""
    columns = [cells(subset, speeds) for subset in SUBSETS]
    rows = [
        (what, *values, command) for (what, command), *values in zip(LINES, *columns, strict=True)
    ]
    header = ("", *(subset.name for subset in SUBSETS), "measured by")
    table = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in table) + "\n"


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        f"python {SCRIPT}",
        "Write the README's table of what the FMA costs, from results.json and scale.md.",
        f"  python {SCRIPT}\n  python {SCRIPT} --check",
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--scale", type=Path, default=SCALE)
    parser.add_argument("--readme", type=Path, default=README)
    add_check_option(parser)
    arguments = parser.parse_args()
    table = markdown_table(read_speeds(arguments.results, arguments.scale))
    renew(arguments.readme, {PART: table}, SCRIPT, check=arguments.check)


if __name__ == "__main__":
    cli.run_command(main)
