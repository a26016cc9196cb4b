"""The plan of FMA large with each kind of labels, measured by ``benchmarks/scale.py --labels``.

A tracks.csv of the FMA's size is written, whose genres are drawn with the frequencies of
genres.csv. As many tracks as in the FMA have genres of several roots, and no ``genre_top``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from common.fma.labels import LABELS, GenreTree
from common.fma.metadata import SPLITS, load
from common.fma.track_plan import columns_of, plan_labels
from common.jobs.workers import default_workers
from spectrogram_feature.features.segment_plan import count_segments

ROWS = 106_574  # tracks of FMA large
ONE_ROOT = 49_598  # those with a ``genre_top``

SUB_GENRE = 0.7
"""Share of the roots of tracks with a sub-genre, about that of FMA small."""

HEADER = """# Plans of FMA large by labels

`python benchmarks/scale.py --labels GENRES_CSV` on {cores} cores. {rows:,} tracks, {size:.0f} MB of
`tracks.csv`; genres are drawn with the frequencies of the FMA's `genres.csv`, and {without:,}
tracks have genres of several roots. Reading is from the file, without the cache of columns;
planning includes the numbers of segments.

| labels | tracks | share | genres | combinations | training segments | reading, s | planning, s |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""


def draw_genres(genres_csv: Path, last_id: int) -> pd.DataFrame:
    """Draw ``split``, ``genre`` (of one root) and ``genres_all`` of each track."""
    rng = np.random.default_rng(0)
    tree, counts = GenreTree.read(genres_csv), load(genres_csv, ["#tracks"])["#tracks"]
    root = {genre: tree.lineage(genre)[-1] for genre in tree.titles}
    roots = [genre for genre in tree.titles if genre not in tree.parents]
    below = {top: [g for g in root if root[g] == top and g != top] for top in roots}

    def shares(genres: list[int]) -> np.ndarray:
        return (counts[genres] / counts[genres].sum()).to_numpy()

    of_roots, of_below = shares(roots), {top: shares(own) for top, own in below.items()}

    rows = []
    for number in range(ROWS):
        tops = rng.choice(roots, 1 if number < ONE_ROOT else 2, replace=False, p=of_roots)
        own = [
            rng.choice(below[top], p=of_below[top])
            for top in tops
            if below[top] and rng.random() < SUB_GENRE
        ]
        ids = sorted({int(g) for genre in (*tops, *own) for g in tree.lineage(genre)})
        rows.append((tree.titles[tops[0]] if len(tops) == 1 else None, str(ids)))
    table = pd.DataFrame(rows, columns=["genre", "genres_all"])
    table["split"] = rng.choice(SPLITS, ROWS, p=(0.8, 0.1, 0.1))
    table.index = rng.choice(np.arange(2, last_id + 1), ROWS, replace=False)
    return table


def measure(metadata: Path, labels: str) -> str:
    """Plan with labels; return the row of the table."""
    with tempfile.TemporaryDirectory() as empty:  # no cache of columns
        os.environ["FMA_OUTPUT"] = empty
        started = time.perf_counter()
        tracks = load(metadata / "tracks.csv", columns_of(labels))
        read = time.perf_counter()
        plan, described = plan_labels(tracks, "all", labels, metadata / "genres.csv")
        plan = count_segments(plan)
        done = time.perf_counter()
    training = plan.loc[plan["split"] == "training", "segments"].sum()
    cells = [
        f"`{labels}`",
        f"{len(plan):,}",
        f"{len(plan) / len(tracks):.1%}",
        len(described["genres"]),
        f"{plan['label'].nunique():,}",
        f"{training:,}",
        f"{read - started:.1f}",
        f"{done - read:.1f}",
    ]
    return f"| {' | '.join(map(str, cells))} |\n"


def report(genres_csv: Path, last_id: int, write: Callable[[Path, pd.DataFrame], None]) -> str:
    """Plan with each kind of labels; return the report.

    ``last_id`` is the largest track id, and ``write`` writes a tracks.csv of `draw_genres` into the
    folder ``fma_metadata`` of a root.
    """
    with tempfile.TemporaryDirectory(prefix="labels-") as folder:
        write(Path(folder), draw_genres(genres_csv, last_id))
        metadata = Path(folder, "fma_metadata")
        shutil.copy(genres_csv, metadata / "genres.csv")
        header = HEADER.format(
            cores=default_workers(),
            rows=ROWS,
            size=(metadata / "tracks.csv").stat().st_size / 1e6,
            without=ROWS - ONE_ROOT,
        )
        return header + "".join(measure(metadata, labels) for labels in LABELS)
