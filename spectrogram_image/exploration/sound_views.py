"""Figures of representations, and a gallery of audio players."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import PIL.Image
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from common.plotting.style import GENRE_COLORS, GREY, STYLE, add_title, new_figure
from common.plotting.tables import CAPTION
from spectrogram_image.convert import Representation
from spectrogram_image.images.rendering import encode_png, render_indices, show

if TYPE_CHECKING:
    from IPython.display import HTML, Audio, Image


def representation_grid(
    examples: Sequence[tuple[str, Representation]],
    *,
    columns: int,
    title: str,
    panel_size: tuple[float, float] = (3.0, 2.2),
) -> Figure:
    """Draw representations in a grid with a common time axis.

    Representations of one kind share the vertical axis and a colour bar; otherwise each panel has
    its own.

    Parameters
    ----------
    examples : sequence of (str, Representation)
        The title of a panel and its content.
    columns : int > 0
        Panels per row.
    title : str
        The title of the figure.
    panel_size : (float, float)
        Width and height of a panel in inches.
    """

    def end(representation: Representation) -> float:
        seconds = representation.seconds
        return seconds[-1] + (seconds[-1] - seconds[-2]) / 2 if len(seconds) > 1 else 1.0

    rows = -(-len(examples) // columns)
    alike = len({representation.kind for _, representation in examples}) == 1
    size = (columns * panel_size[0] + 1, rows * panel_size[1] + 0.6)
    with plt.rc_context(STYLE):
        figure, axes = new_figure(rows, columns, size=size, sharex=True, sharey=alike)
        for panel, (name, representation) in zip(axes.flat, examples, strict=False):
            show(representation, panel, colorbar=not alike)
            panel.set_title(name)
        for panel in axes.flat[: max(len(examples) - columns, 0)]:
            panel.set_xlabel("")
        for panel in axes.flat[max(len(examples) - columns, 0) : len(examples)]:
            panel.tick_params(labelbottom=True)
            panel.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        for panel in axes.flat[len(examples) :]:
            panel.set_axis_off()
        if alike:
            for panel in axes[:, 1:].flat:
                panel.set_ylabel("")
            colors = axes[0, 0].collections[0]
            figure.colorbar(colors, ax=axes, label=examples[0][1].unit, pad=0.01, aspect=40)
        axes[0, 0].set_xlim(0, max(end(representation) for _, representation in examples))
        add_title(figure, title)
    return figure


def as_small_image(figure: Figure, *, dpi: int = 90) -> Image:
    """Render a figure as a PNG of 256 colours, a third of the size of a notebook's own PNG."""
    from IPython.display import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    picture = PIL.Image.open(drawn).convert("RGB")
    picture.quantize(256, dither=PIL.Image.Dither.NONE).save(small, "PNG", optimize=True)
    return Image(small.getvalue(), format="png")


def gallery(
    cards: Sequence[tuple[str, str, Audio, Representation]],
    caption: str,
    *,
    size: tuple[int, int] = (220, 88),
) -> HTML:
    """Arrange audio players beside images of their content, two to a row.

    Parameters
    ----------
    cards : sequence of (str, str, Audio, Representation)
        Genre, description of the track, player, and representation of the played excerpt.
    caption : str
        The title of the table, with the name of the data set.
    size : (int, int)
        Width and height of an image in pixels.
    """
    from IPython.display import HTML

    cells = [_card(*card, size=size) for card in cards]
    rows = [f"<tr>{''.join(cells[start : start + 2])}</tr>" for start in range(0, len(cells), 2)]
    heading = f'<caption style="{CAPTION}">{html.escape(caption)}</caption>'
    return HTML(f"<table>{heading}{''.join(rows)}</table>")


def _card(
    genre: str, about: str, player: Audio, representation: Representation, size: tuple[int, int]
) -> str:
    width, height = size
    picture = base64.b64encode(encode_png(render_indices(representation, size))).decode()
    edge = f"border-left: 6px solid {GENRE_COLORS.get(genre, GREY)}; padding: 4px 10px"
    heading = f"<b>{html.escape(genre)}</b><br>{html.escape(about)}"
    image = (
        f'<img src="data:image/png;base64,{picture}" width="{width}" height="{height}" '
        f'alt="{html.escape(representation.title)} of {html.escape(genre)}">'
    )
    return (
        f'<td style="{edge}; text-align: left; width: 230px">{heading}<br>'
        f"{player._repr_html_()}</td><td>{image}</td>"
    )
