"""Reading of one picture, whatever its format and its kind of pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from spectrogram_image.images.folder import ImageError

SUFFIXES = frozenset({".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".webp"})
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "WEBP")

MOST_PIXELS = 1 << 25
"""Largest picture that is decoded, eleven times a full-size image of this project."""

Box = tuple[int, int, int, int]
"""Pixels to cut off at the left, top, right and bottom."""

UNCUT: Box = (0, 0, 0, 0)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture without decoding it; raise an `ImageError` for whatever goes wrong."""
    try:
        if not path.is_file():  # opening a named pipe would wait for ever
            raise ImageError(path, "is not a file" if path.exists() else "no such file")
        if not path.stat().st_size:
            raise ImageError(path, "is empty")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                width, height = image.size
                if width * height > MOST_PIXELS:
                    raise ImageError(path, f"has {width} × {height} pixels, too many to decode")
                yield image
    # Pillow's exception depends on the position of the damage.
    except (SyntaxError, ValueError, LookupError, EOFError, OSError, OverflowError) as error:
        reason = "is not a picture" if isinstance(error, Image.UnidentifiedImageError) else error
        raise ImageError(path, f"cannot be read ({reason})") from None
    except Image.DecompressionBombError:
        raise ImageError(path, "has too many pixels to decode") from None


def read_picture(path: Path, crop: Box = UNCUT) -> np.ndarray:
    """Read the first frame of a picture and cut off its margins.

    The result is uint8, (height, width) if red, green and blue of all pixels are equal, otherwise
    (height, width, 3). Transparent pixels are blended with white; 16-bit grey is divided by 257. A
    picture that does not decode or is not larger than its margins raises an `ImageError`.
    """
    with _opened(path) as image:
        image.verify()  # decoding the pixels does not compare all checksums
    with _opened(path) as image:
        width, height = image.size
        left, top, right, bottom = crop
        if left + right >= width or top + bottom >= height:
            raise ImageError(path, f"has {width} × {height} pixels, no more than --crop cuts off")
        image.load()
        pixels = _as_bytes(image.crop((left, top, width - right, height - bottom)), path)
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        return np.ascontiguousarray(pixels[..., 0])
    return pixels


def _as_bytes(image: Image.Image, path: Path) -> np.ndarray:
    """Convert an image of any mode to grey or to red, green and blue."""
    if image.mode.startswith("I"):
        return np.rint(np.clip(np.asarray(image, np.float64), 0, 65_535) / 257).astype(np.uint8)
    if image.mode in ("CMYK", "LAB", "HSV", "F"):
        raise ImageError(path, f"has {image.mode} pixels: convert it to RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("L" if image.mode == "1" else "RGB"))


def as_colors(pixels: np.ndarray) -> np.ndarray:
    """Return pixels (height, width, 3), also of a grey picture."""
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
