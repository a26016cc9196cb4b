"""A folder of images of one kind: where each image lies, and what stands beside them.

``images.json`` says what the images are, a table for each split which there are, with their genres,
``tracks.csv`` which were planned and by which artist, and ``failures.csv`` which could not be had.
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
    """Tell where a track's image lies: track 2 is ``000/000002.png``, as its MP3 in the FMA."""
    return get_audio_path(folder, track_id).with_suffix(".png")


def table_path(folder: str | Path, split: str) -> Path:
    """Tell where the table of a split's images lies: ``TRAIN_metadata.csv`` for training."""
    name = "TRAIN" if split == "training" else split.upper()
    return Path(folder) / f"{name}_metadata.csv"


def is_whole(path: Path) -> bool:
    """Tell whether there is a PNG file that was written to its end."""
    try:
        with path.open("rb") as file:
            file.seek(-len(_PNG_END), io.SEEK_END)
            return file.read() == _PNG_END
    except OSError:  # there is none, or it is too short to seek in
        return False


@dataclass(frozen=True)
class ImageParameters:
    """Everything that decides what the pixels of an image mean.

    Attributes
    ----------
    width, height : int
        Pixels.
    seconds : float
        How much of the track the image shows, from its beginning.
    sample_rate : int
        Hz: what the audio was resampled to.
    cmap : str
        Matplotlib's name of the colour map.
    """

    width: int
    height: int
    seconds: float
    sample_rate: int
    cmap: str


@dataclass(frozen=True)
class ImageSet:
    """What a folder of finished images holds; stands beside them as ``images.json``.

    Attributes
    ----------
    kind : str
        The representation, a key of `spectrogram_image.convert.KINDS`.
    parameters : ImageParameters
    palette : str
        The colours of the levels 0 to 255: red, green and blue in hexadecimal digits.
    genres : tuple of str
        In the order of the labels.
    mapping : str
        The genre mapping's name, a key of `fma_utils.GENRE_MAPPINGS`.
    data_set : dict
        ``title``, ``subset``, and ``synthetic``: whether it is the demo set.
    images : dict
        Split → number of images.
    versions : dict
        Of the libraries that the pixels depend on.
    """

    kind: str
    parameters: ImageParameters
    palette: str
    genres: tuple[str, ...]
    mapping: str
    data_set: dict[str, Any]
    images: dict[str, int]
    versions: dict[str, str]

    def write(self, folder: str | Path) -> None:
        """Write ``images.json``."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        with atomic_write(Path(folder) / DESCRIPTION) as file:
            file.write(text.encode() + b"\n")

    @classmethod
    def read(cls, folder: str | Path) -> ImageSet:
        """Read what a folder of images holds.

        Raises
        ------
        UserError
            If it holds no finished images.
        """
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
    """Write a table for each split, as Keras' ``flow_from_dataframe`` reads them.

    Parameters
    ----------
    folder : Path
    made : pandas.DataFrame
        Indexed by track id, with ``split`` and ``genre``: the tracks that there are images of.
    """
    for split in SPLITS:
        tracks = made[made["split"] == split]
        table = pd.DataFrame(
            {
                "Pathname": [
                    image_path(folder, track).relative_to(folder).as_posix()
                    for track in tracks.index
                ],
                "Genre": tracks["genre"].array,
                "track_id": tracks.index,
            }
        )
        write_table(table_path(folder, split), table)


def read_tables(folder: Path, genres: tuple[str, ...]) -> pd.DataFrame:
    """Read the images of the tables, and the planned tracks of which no image could be made.

    A planned track that is not in the tables but has an image is left out.

    Parameters
    ----------
    folder : Path
    genres : tuple of str
        In the order of the labels.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``track_id``, in its order: ``split``, ``genre``, ``label``, ``artist`` and
        ``image`` (the path relative to the folder, also of an image that is missing).

    Raises
    ------
    UserError
        If a table is missing, or is not what `write_tables` wrote.
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
        planned["image"] = [
            image_path(folder, track).relative_to(folder).as_posix() for track in planned.index
        ]
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


def read_levels(path: Path, images: ImageSet) -> np.ndarray:
    """Read an image in the numbers of its colours.

    Parameters
    ----------
    path : Path
        A PNG file.
    images : ImageSet
        What the file belongs to.

    Returns
    -------
    np.ndarray [shape=(height, width), uint8]
        What `spectrogram_image.images.rendering.render_indices` gave.

    Raises
    ------
    ImageError
        If the file is missing, damaged, or has other colours or another size.
    """
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            size = image.size
            image.verify()  # the checksums, which reading the pixels passes over
        wanted = (images.parameters.width, images.parameters.height)
        if size != wanted:  # a small file may unpack to any size
            raise ImageError(
                path, f"has {size[0]} × {size[1]} pixels, not {wanted[0]} × {wanted[1]}"
            )
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            image.load()
    except FileNotFoundError:
        raise ImageError(path, "no such file") from None
    # What Pillow raises depends on where the file is damaged.
    except (
        Image.DecompressionBombError,
        Image.UnidentifiedImageError,
        SyntaxError,
        ValueError,
        EOFError,
        OSError,
    ) as error:
        raise ImageError(path, f"is no PNG file, or is damaged ({error})") from None
    if image.mode != "P" or bytes(image.getpalette() or ()) != bytes.fromhex(images.palette):
        raise ImageError(path, "has other colours than the images of its folder")
    return np.asarray(image)
