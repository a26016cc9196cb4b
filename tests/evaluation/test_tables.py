"""How tables look."""

import re

import pandas as pd

from common.plotting.tables import styled

TABLE = pd.DataFrame(
    {"name": ["a", "b"], "count": [1234, None], "share": [0.5, 0.25]},
    index=pd.Index([7, 8], name="track_id"),
)


def properties(styler, column):
    """Collect the style of a column's cells, and of its heading."""
    place = styler.data.columns.get_loc(column)
    cells = {
        pair for (_, col), pairs in styler._compute().ctx.items() if col == place for pair in pairs
    }
    html = styler.to_html()
    aligned = re.findall(rf"col_heading\.col{place}\b[^{{]*{{\s*text-align: (\w+)", html)
    return dict(cells), aligned


def test_a_table_names_its_data_and_writes_dashes():
    html = styled(TABLE, "synthetic demo set", {"share": "{:.0%}"}).to_html()
    assert "synthetic demo set</caption>" in html
    assert ">1,234<" in html
    assert ">50%<" in html
    assert ">–<" in html
    assert "nan" not in html
    styled(TABLE[:0], "none").to_html()


def test_text_stands_to_the_left_and_numbers_below_their_headings():
    styler = styled(TABLE.assign(score="50 % [40, 60]"), "x", right=["score"])
    for column in ("count", "share", "score"):
        cells, heading = properties(styler, column)
        assert (cells["text-align"], heading) == ("right", ["right"])
    assert properties(styler, "name")[0]["text-align"] == "left"


def test_a_named_index_is_a_column_and_another_heads_the_rows():
    assert list(styled(TABLE, "x").data.columns) == ["track_id", "name", "count", "share"]
    assert list(styled(TABLE.rename_axis(None), "x").data.columns) == ["name", "count", "share"]


def test_the_best_are_bold():
    styler = styled(TABLE, "x", best=["share"])
    bold = {
        cell for cell, styles in styler._compute().ctx.items() if ("font-weight", "bold") in styles
    }
    assert bold == {(0, 3)}
