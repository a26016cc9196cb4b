"""Pictures as users have them: folders of genres, colour maps, axes and margins."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spectrogram_image.images.folder import ImageSet
from spectrogram_image.images.rendering import palette
from spectrogram_image.import_images import import_images

GENRES = ("Chanson", "Techno")
WIDTH, HEIGHT = 40, 24


class ThisProcess(Executor):
    """Does the work at once: what is no matter of processes need not wait for them."""

    def submit(self, function, *arguments):
        future = Future()
        future.set_result(function(*arguments))
        return future


def import_here(source: Path, out: Path, **options) -> tuple[ImageSet, str]:
    """Import in this process; give the description and the notes as one text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.jobs.run.worker_pool", lambda _: nullcontext(ThisProcess()))
        images, notes = import_images(source, out, **options)
    return images, "\n".join(notes)


def some_levels(seed: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> np.ndarray:
    """Make levels that rise slowly with noise, as music does, and no two seeds alike."""
    rng = np.random.default_rng(seed)
    width, height = size
    rows = np.linspace(rng.uniform(20, 90), rng.uniform(120, 230), height)[:, None]
    return np.clip(rows + rng.normal(0, 25, (height, width)), 0, 255).astype(np.uint8)


def painted(levels: np.ndarray, cmap: str) -> Image.Image:
    return Image.fromarray(palette(cmap)[levels])


def framed(image: Image.Image, title: int) -> Image.Image:
    """Put a picture into a white margin with a black frame, labels, and a title of its own."""
    width, height = image.size
    canvas = Image.new("RGB", (width + 31, height + 26), "white")
    canvas.paste("black", (19, 11, 19 + width + 2, 11 + height + 2))
    canvas.paste(image, (20, 12))
    for y in range(14, 12 + height, 8):
        canvas.paste("black", (8, y, 16, y + 3))
    canvas.paste("black", (24 + title % 5, 3, 32 + title % 3, 7))
    return canvas


FRAME = (20, 12, 11, 14)
"""Margins of `framed`: left, top, right, bottom."""


def write_genres(folder: Path, each: int = 8, *, save=None) -> dict[str, np.ndarray]:
    """Write some pictures of each genre; `save` takes a path without a suffix and levels.

    Returns
    -------
    dict
        Genre and name without a suffix → levels.
    """
    made = {}
    for number in range(each * len(GENRES)):
        genre = GENRES[number % len(GENRES)]
        path = folder / genre / f"{genre}.{number // len(GENRES):05d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        made[f"{genre}/{path.name}"] = levels = some_levels(number)
        if save:
            save(path, levels)
        else:
            Image.fromarray(levels).save(f"{path}.png")
    return made
