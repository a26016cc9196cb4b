"""Folders of images of one kind: paths, description and tables.

``images.json`` describes the images. A table for each split lists the images and their genres,
``tracks.csv`` the planned tracks with their artists, and ``failures.csv`` the tracks without an
image.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from common.errors import FileError, UserError
from common.fma.dataset import get_audio_path
from common.fma.metadata import SPLITS
from common.jobs.files import atomic_write
from common.records.shards import PLAN
from common.tables import read_table, write_table

DESCRIPTION = "images.json"

_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


class ImageError(FileError):
    """An image file that cannot be used."""


def image_path(folder: str | Path, track_id: int) -> Path:
    """Return the path of a track's image, such as ``000/000002.png`` for track 2."""
    return get_audio_path(folder, track_id).with_suffix(".png")


def table_path(folder: str | Path, split: str) -> Path:
    """Return the path of a split's table, such as ``TRAIN_metadata.csv`` for training."""
    name = "TRAIN" if split == "training" else split.upper()
    return Path(folder) / f"{name}_metadata.csv"


def is_whole(path: Path) -> bool:
    """Return whether a file exists and ends like a complete PNG."""
    try:
        with path.open("rb") as file:
            file.seek(-len(_PNG_END), io.SEEK_END)
            return file.read() == _PNG_END
    except OSError:  # the file is missing, or too short to seek in
        return False


@dataclass(frozen=True)
class ImageParameters:
    """Parameters that determine the pixels of an image.

    Imported images have the sample rate 0.

    Attributes
    ----------
    width, height : int
        Pixels.
    seconds : float
        Duration of the excerpt, from the beginning of the track.
    sample_rate : int
        Hz, after resampling.
    cmap : str
        Name of a Matplotlib colour map, empty for images in colours without levels.
    """

    width: int
    height: int
    seconds: float
    sample_rate: int
    cmap: str


@dataclass(frozen=True)
class ImageSet:
    """Description of a folder of finished images, written as ``images.json``.

    Attributes
    ----------
    kind : str
        The representation, a key of `spectrogram_image.convert.KINDS`.
    palette : str
        The colours of the levels 0 to 255: red, green and blue in hexadecimal digits. Empty for
        images in colours without levels.
    genres : tuple of str
        In label order.
    mapping : str
        A key of `fma_utils.GENRE_MAPPINGS`.
    data_set : dict
        ``title``, ``subset`` and ``synthetic``, which is true for the demo set.
    images : dict
        Split → number of images.
    versions : dict
        Versions of the libraries that determine the pixels.
    origin : dict, optional
        How pictures made elsewhere were imported.
    """

    kind: str
    parameters: ImageParameters
    palette: str
    genres: tuple[str, ...]
    mapping: str
    data_set: dict[str, Any]
    images: dict[str, int]
    versions: dict[str, str]
    origin: dict[str, Any] | None = None

    def write(self, folder: str | Path) -> None:
        """Write ``images.json``."""
        content = {name: value for name, value in asdict(self).items() if value is not None}
        text = json.dumps(content, indent=1, ensure_ascii=False)
        with atomic_write(Path(folder) / DESCRIPTION) as file:
            file.write(text.encode() + b"\n")

    @classmethod
    def read(cls, folder: str | Path) -> ImageSet:
        """Read ``images.json``; raise a `UserError` if it is missing or invalid."""
        folder = Path(folder)
        path = folder / DESCRIPTION
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            content["parameters"] = ImageParameters(**content["parameters"])
            content["genres"] = tuple(content["genres"])
            bytes.fromhex(content["palette"])
            return cls(**content)
        except (FileNotFoundError, NotADirectoryError):
            kinds = sorted(inner.parent.name for inner in folder.glob(f"*/{DESCRIPTION}"))
            advice = (
                f"choose one of the folders in it: {', '.join(kinds)}"
                if kinds
                else "make them with python -m spectrogram_image.spectrogram_generation"
            )
            raise UserError(
                f"{folder} holds no finished images of one kind (no {DESCRIPTION}): {advice}"
            ) from None
        except (ValueError, TypeError, LookupError, RecursionError):
            raise UserError(
                f"{path} does not describe images of this project: make the images again"
            ) from None


def write_tables(folder: Path, made: pd.DataFrame) -> None:
    """Write a table for each split, in the format of Keras' ``flow_from_dataframe``.

    `made` has the tracks with an image: indexed by track id, with ``split`` and ``genre``.
    """
    for split in SPLITS:
        tracks = made[made["split"] == split]
        columns = {
            "Pathname": [image_path("", track).as_posix() for track in tracks.index],
            "Genre": tracks["genre"].array,
            "track_id": tracks.index,
        }
        write_table(table_path(folder, split), pd.DataFrame(columns))


def read_tables(folder: Path, genres: tuple[str, ...]) -> pd.DataFrame:
    """Read the tables of a folder, with the planned tracks whose image failed.

    A planned track that has an image but is not in the tables is left out. A missing or damaged
    table is a `UserError`.

    Returns
    -------
    pandas.DataFrame
        Sorted by its index ``track_id``: ``split``, ``genre``, ``label`` (the index in `genres`),
        ``artist`` and ``image`` (the relative path, even if the image is missing).
    """
    try:
        tables = [
            read_table(table_path(folder, split))
            .rename(columns={"Pathname": "image", "Genre": "genre"})
            .assign(split=split)
            for split in SPLITS
        ]
        listed = pd.concat(tables).set_index("track_id")
        planned = read_table(folder / PLAN, "track_id")
        planned["image"] = [image_path("", track).as_posix() for track in planned.index]
        unlisted = planned.index.difference(listed.index)
        failed = [track for track in unlisted if not image_path(folder, track).exists()]
        plan = pd.concat([listed, planned.loc[failed, ["split", "genre", "image"]]]).sort_index()
        plan["label"] = plan["genre"].map(genres.index).astype(int)
        plan["artist"] = planned["artist"].loc[plan.index]
        plan = plan[["split", "genre", "label", "artist", "image"]]
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} is missing: make the images again") from None
    except (ValueError, LookupError, UnicodeDecodeError):
        plan = None
    if plan is None or not plan.index.is_unique or plan.isna().any(axis=None):
        raise UserError(f"the tables in {folder} are damaged: make the images again")
    return plan


def read_pixels(path: Path, images: ImageSet) -> np.ndarray:
    """Read a PNG file of a folder as levels (height, width), the indices into its palette.

    Images without a palette are read as colours (height, width, 3). A missing or damaged file, or
    one with another palette or size, raises an `ImageError`.
    """
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            size = image.size
            image.verify()  # loading the pixels does not compare all checksums
        wanted = (images.parameters.width, images.parameters.height)
        if size != wanted:  # before loading: a small file can expand to any size
            raise ImageError(
                path, f"has {size[0]} × {size[1]} pixels, not {wanted[0]} × {wanted[1]}"
            )
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            image.load()
    except FileNotFoundError:
        raise ImageError(path, "no such file") from None
    # Pillow's exception depends on the position of the damage.
    except (Image.DecompressionBombError, SyntaxError, ValueError, EOFError, OSError) as error:
        raise ImageError(path, f"is not a PNG file, or is damaged ({error})") from None
    mode = "P" if images.palette else "RGB"
    if image.mode != mode or bytes(image.getpalette() or ()) != bytes.fromhex(images.palette):
        raise ImageError(path, "has other colours than the images of its folder")
    return np.asarray(image)
