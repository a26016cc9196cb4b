"""Quantities as a reader would write them."""

from __future__ import annotations

import pytest

from common.text import format_size


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (2048, "2.0 KiB"), (22 * 2**30, "22.0 GiB")]
)
def test_sizes_are_written_for_people(size, text):
    assert format_size(size) == text
