"""A folder of images of noise, for the tiny data set's tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from fma_for_tests import TINY_TRACKS

from common.records.shards import PLAN
from common.tables import write_table
from spectrogram_image.images.folder import ImageParameters, ImageSet, image_path, write_tables
from spectrogram_image.images.rendering import SIZES, encode_png, palette

WIDTH, HEIGHT = SIZES["half"]
GENRES = ("Folk", "Jazz", "Rock")


def write_images(folder: Path) -> Path:
    """Write an image of noise for each tiny track, and what stands beside them."""
    rng = np.random.default_rng(0)
    plan = pd.DataFrame(TINY_TRACKS, index=["split", "genre"]).T.rename_axis("track_id")
    plan = plan.sort_index()
    plan["label"] = plan["genre"].map(GENRES.index)
    plan["artist"] = [f"artist {track}" for track in plan.index]
    for track in plan.index:
        path = image_path(folder, track)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8)))
    write_tables(folder, plan)
    write_table(folder / PLAN, plan.reset_index())
    ImageSet(
        kind="mel",
        parameters=ImageParameters(WIDTH, HEIGHT, 25.0, 48_000, "magma"),
        palette=palette("magma").tobytes().hex(),
        genres=GENRES,
        mapping="all",
        data_set={"title": "noise", "subset": "medium", "synthetic": True},
        images=plan["split"].value_counts().to_dict(),
        versions={"librosa": "0"},
    ).write(folder)
    return folder
