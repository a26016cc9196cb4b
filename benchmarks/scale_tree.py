"""A tree in FMA's layout and of FMA's size, of a few hundred MP3s, to measure extraction on.

The MP3s are hard links to those of another data set, and tracks.csv has as many rows and bytes as
the real one, long texts included. Ids, splits and genres are those of the FMA's own metadata where
they are given.
"""

from __future__ import annotations

import csv
import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from common.fma.dataset import Dataset, get_audio_path
from common.fma.genres import ROOT_GENRES
from common.fma.metadata import SPLITS, load, select_subset

ROWS, MEDIUM_ROWS, LAST_ID = 106_574, 25_000, 155_320
TEXT_LENGTHS = (0, 300, 900, 2200)
"""Characters of an artist's or an album's text: with these, tracks.csv has its 260 MB."""

# Tracks in FMA medium, in the order of ROOT_GENRES.
GENRE_COUNTS = (
    *(74, 619, 178, 21, 6314, 2251, 1519, 2201),
    *(1350, 1018, 384, 510, 1186, 7103, 154, 118),
)
WORDS = (
    *("the", "of", "and", "a", "from", "guitar", "band", "noise", "Chicago", "“live”", "été"),
    *("señor", "Москва", "東京", "<em>improvised</em>", "&amp;", "2009"),
)


def known_tracks(metadata: Path | None) -> pd.DataFrame:
    """Give the tracks of medium: by id ``split`` and ``genre``, every genre's first at the top."""
    rng = np.random.default_rng(0)
    if metadata:
        columns = [("set", "split"), ("set", "subset"), ("track", "genre_top")]
        tracks = load(metadata / "tracks.csv", columns)
        tracks = select_subset(tracks, "medium").droplevel(0, axis=1)
        tracks = tracks[["split", "genre_top"]].astype(str).set_axis(["split", "genre"], axis=1)
    else:
        share = np.array(GENRE_COUNTS) / sum(GENRE_COUNTS)
        tracks = pd.DataFrame(
            {
                "split": rng.choice(SPLITS, MEDIUM_ROWS, p=(0.8, 0.1, 0.1)),
                "genre": rng.choice(ROOT_GENRES, MEDIUM_ROWS, p=share),
            },
            index=rng.choice(np.arange(2, LAST_ID + 1), MEDIUM_ROWS, replace=False),
        )
    tracks = tracks.sample(frac=1, random_state=0)
    first = tracks[tracks["split"] == "training"].drop_duplicates("genre")
    return pd.concat([first, tracks.drop(first.index)])


def build_tree(root: Path, known: pd.DataFrame, count: int, source: Dataset) -> None:
    """Build a data set of which `count` tracks have audio.

    A plan needs a track in every split. Where so few tracks lack one, it is listed without audio.
    """
    chosen = known.head(count)
    possible = known[known["genre"].isin(chosen["genre"])]
    absent = set(SPLITS) - set(chosen["split"])
    silent = possible[possible["split"].isin(absent)].drop_duplicates("split")
    write_metadata(root, known, {*chosen.index, *silent.index}, source)
    files = sorted(path for path in source.audio_dir.rglob("*.mp3") if path.stat().st_size)
    originals = [shutil.copy(path, root / path.name) for path in files]  # links stay on one disk
    for number, track_id in enumerate(chosen.index):
        path = get_audio_path(root / "fma_medium", track_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(originals[number % len(originals)], path)


def write_metadata(root: Path, known: pd.DataFrame, medium: set[int], source: Dataset) -> None:
    """Write a tracks.csv of the real one's size; what is not in `medium` is in large."""
    rng = random.Random(0)
    others = sorted(set(range(2, LAST_ID + 1)) - set(known.index))
    ids = sorted([*known.index, *rng.sample(others, ROWS - len(known))])
    texts = [_text(rng, length) for length in TEXT_LENGTHS for _ in range(1000)]
    tracks = known.to_dict("index")
    path = root / "fma_metadata" / "tracks.csv"
    path.parent.mkdir(parents=True)
    with (source.metadata_dir / "tracks.csv").open(newline="", encoding="utf-8") as file:
        header = [next(csv.reader(file)) for _ in range(3)]
    columns = list(zip(*header[:2], strict=True))[1:]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows(header)
        for number, track_id in enumerate(ids):
            cells = _cells(rng, number, track_id, texts)
            track = tracks.get(track_id, {"split": "training", "genre": ""})
            cells["set", "split"], cells["track", "genre_top"] = track["split"], track["genre"]
            cells["set", "subset"] = "medium" if track_id in medium else "large"
            writer.writerow([track_id, *(cells.get(column, "") for column in columns)])


def _cells(
    rng: random.Random, number: int, track_id: int, texts: Sequence[str]
) -> dict[tuple[str, str], object]:
    """Make up what a row says besides its split and genre; six rows share an artist and album."""
    group = number // 6
    date = f"2009-{group % 12 + 1:02d}-{group % 28 + 1:02d} 12:00:00"
    counts = {
        (table, name): rng.randrange(10_000)
        for table, names in {
            "album": "comments favorites listens tracks",
            "artist": "comments favorites",
            "track": "bit_rate comments duration favorites interest listens number",
        }.items()
        for name in names.split()
    }
    return counts | {
        ("album", "id"): group,
        ("album", "date_created"): date,
        ("album", "information"): texts[group % len(texts)],
        ("album", "tags"): "[]",
        ("album", "title"): f"Été, vol. {group}",
        ("album", "type"): "Album",
        ("artist", "id"): group,
        ("artist", "bio"): texts[7 * group % len(texts)],
        ("artist", "date_created"): date,
        ("artist", "name"): f"Artist “{group}”",
        ("artist", "tags"): "['noise', \"rock'n'roll\"]",
        ("artist", "website"): f"http://www.example.org/{group}",
        ("track", "date_created"): date,
        ("track", "genres"): "[12, 45]",
        ("track", "genres_all"): "[12, 45]",
        ("track", "license"): "Attribution-NonCommercial-ShareAlike 3.0 International",
        ("track", "tags"): "[]",
        ("track", "title"): f'Title, "{track_id}"',
    }


def _text(rng: random.Random, length: int) -> str:
    """Make about so many characters of HTML with commas, quotation marks and line breaks."""
    text = ""
    while len(text) < length:
        words = " ".join(rng.choices(WORDS, k=30))
        text += f'<p>{words}, "quoted", <a href="http://example.org/?a=1&amp;b=2">link</a></p>\n'
    return text
