"""Figures of representations, and a gallery of audio players."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import PIL.Image
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from common.plotting.style import GENRE_COLORS, GREY, STYLE, new_figure
from common.plotting.tables import CAPTION
from spectrogram_image.convert import Representation
from spectrogram_image.images.rendering import encode_png, render_indices, show

if TYPE_CHECKING:
    from IPython.display import HTML, Audio, Image

CARD_SIZE = (220, 88)
"""Width and height of an image in the gallery, in pixels."""


@plt.rc_context(STYLE)
def representation_grid(
    examples: Sequence[tuple[str, Representation]],
    *,
    columns: int,
    title: str,
    panel_size: tuple[float, float] = (3.0, 2.2),
) -> Figure:
    """Draw titled representations in a grid with a common time axis; the panel size is in inches.

    Representations of one kind share the vertical axis and a colour bar; otherwise each panel has
    its own.
    """
    rows, first_of_lowest = -(-len(examples) // columns), len(examples) - columns
    is_shared = len({representation.kind for _, representation in examples}) == 1
    size = (columns * panel_size[0] + 1, rows * panel_size[1] + 0.6)
    figure, axes = new_figure(rows, columns, size=size, title=title, sharex=True, sharey=is_shared)
    for number, (name, representation) in enumerate(examples):
        panel = show(representation, axes.flat[number], colorbar=not is_shared)
        panel.set_title(name)
        if number < first_of_lowest:
            panel.set_xlabel("")
        else:
            panel.tick_params(labelbottom=True)
        if is_shared and number % columns:
            panel.set_ylabel("")
    for panel in axes.flat[len(examples) :]:
        panel.set_axis_off()
    if is_shared:
        colors = axes[0, 0].collections[0]
        figure.colorbar(colors, ax=axes, label=examples[0][1].unit, pad=0.01, aspect=40)
    axes[0, 0].set_xlim(0, max(representation.seconds[-1] for _, representation in examples))
    axes[0, 0].xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    return figure


def as_small_image(figure: Figure, *, dpi: int = 90) -> Image:
    """Render a figure as a PNG of 256 colours, a third of the size of a notebook's own PNG."""
    from IPython.display import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    picture = PIL.Image.open(drawn).convert("RGB")
    picture.quantize(256, dither=PIL.Image.Dither.NONE).save(small, "PNG", optimize=True)
    return Image(small.getvalue(), format="png")


def gallery(cards: Sequence[tuple[str, str, Audio, Representation]], caption: str) -> HTML:
    """Arrange audio players beside images of their content, two to a row.

    A card contains genre, description of the track, player, and representation of the excerpt.
    """
    from IPython.display import HTML

    (width, height), cells = CARD_SIZE, []
    for genre, about, player, representation in cards:
        picture = base64.b64encode(encode_png(render_indices(representation, CARD_SIZE))).decode()
        edge = f"border-left: 6px solid {GENRE_COLORS.get(genre, GREY)}; padding: 4px 10px"
        cells.append(
            f'<td style="{edge}; text-align: left; width: 230px"><b>{escape(genre)}</b><br>'
            f"{escape(about)}<br>{player._repr_html_()}</td><td>"
            f'<img src="data:image/png;base64,{picture}" width="{width}" height="{height}" '
            f'alt="{escape(representation.title)} of {escape(genre)}"></td>'
        )
    rows = [f"<tr>{''.join(cells[start : start + 2])}</tr>" for start in range(0, len(cells), 2)]
    heading = f'<caption style="{CAPTION}">{escape(caption)}</caption>'
    return HTML(f"<table>{heading}{''.join(rows)}</table>")
