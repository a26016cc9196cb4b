"""Style of the tables in notebooks and in the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from pandas.io.formats.style import Styler

CAPTION = "font-weight: bold; text-align: left"

_SHORT = 30  # length in characters from which a text may be wrapped


def styled(
    table: pd.DataFrame,
    caption: str,
    formats: Mapping[str, str] | None = None,
    *,
    best: Sequence[str] = (),
    right: Sequence[str] = (),
) -> Styler:
    """Format a table: texts aligned left, numbers right, a dash for missing values.

    A named index becomes the first column. The caption is the statistic and the data set; a
    synthetic data set is named as such. ``formats`` maps columns to the format of their numbers, by
    default that of whole numbers; the greatest value of the columns ``best`` is bold; the columns
    ``right`` are numbers as text, e.g. scores with intervals.
    """
    numbers = [*table.select_dtypes("number").columns]
    is_column = table.index.nlevels == 1 and table.index.name is not None
    if is_column:
        table = table.reset_index()
    aligned = [column for column in table.columns if column in numbers or column in right]
    texts = [column for column in table.columns if column not in aligned]
    long = [column for column in texts if table[column].map(str).map(len).max() > _SHORT]
    short = [column for column in texts if column not in long]
    styler = (
        table.style.set_caption(caption)
        .set_table_styles(_edges([column in aligned for column in table.columns]))
        .set_properties(subset=texts, **{"text-align": "left"})
        .set_properties(subset=long, **{"min-width": "7em"})
        .set_properties(subset=[*short, *aligned], **{"white-space": "nowrap"})
        .set_properties(subset=aligned, **{"text-align": "right"})
        .format(dict.fromkeys(numbers, "{:,.0f}") | dict(formats or {}), na_rep="–")
    )
    if len(best):
        styler.highlight_max(subset=list(best), props="font-weight: bold")
    return styler.hide(axis="index") if is_column else styler


def _edges(are_right: Sequence[bool]) -> list[dict[str, str]]:
    """Align the headings with their columns."""
    right = ",".join(f"th.col_heading.col{i}" for i, is_right in enumerate(are_right) if is_right)
    styles = [
        {"selector": "caption", "props": CAPTION},
        {"selector": "th", "props": "text-align: left"},
    ]
    return [*styles, {"selector": right, "props": "text-align: right"}] if right else styles
