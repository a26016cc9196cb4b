"""Licences of the tracks of a data set, as far as the metadata name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.errors import UserError
from common.fma.dataset import Dataset

UNNAMED = "not named"  # tracks without a licence in the metadata
SHOWN = 8  # licences that a text lists; FMA medium has over a hundred


def count_licences(dataset: Dataset) -> dict[str, int]:
    """Count the training tracks of each licence (``track.license``), the most frequent first.

    The result is empty if the metadata have no licences.
    """
    try:
        tracks = dataset.tracks([("set", "split"), ("track", "license")])
    except UserError:  # no such column
        return {}
    licences = tracks.loc[tracks["set", "split"] == "training", ("track", "license")]
    if licences.isna().all():
        return {}
    named = licences.astype("string").str.strip().fillna(UNNAMED)
    counts = named.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return {str(name): int(count) for name, count in counts.items()}


def describe_licence(data_set: Mapping[str, Any]) -> tuple[str, str]:
    """Describe the licences of a data set.

    ``data_set`` is that of `Manifest`. The first result is an identifier of model hubs: ``mit`` for
    the demo set, which the project itself synthesises; ``other`` if the tracks have licences of
    their own; ``unknown`` if the metadata name none. The second is a text.
    """
    if data_set.get("synthetic"):
        return "mit", "This project synthesises the data, and its code is under the MIT licence."
    licences: dict[str, int] = data_set.get("licences", {})
    if not licences:
        return "unknown", "Unknown: the metadata of the tracks name no licence."
    total, counts = sum(licences.values()), list(licences.values())
    listed = [f"{name} ({count:,})" for name, count in list(licences.items())[:SHOWN]]
    if len(licences) > SHOWN:
        listed.append(f"{len(licences) - SHOWN} others ({sum(counts[SHOWN:]):,})")
    non_commercial, no_derivatives = (
        sum(count for name, count in licences.items() if word in _letters(name))
        for word in ("noncommercial", "noderiv")
    )
    return "other", (
        f"Each of the {total:,} training tracks has a licence of its own: {'; '.join(listed)}. "
        f"{non_commercial:,} of them exclude commercial use, and {no_derivatives:,} exclude "
        "derivatives."
    )


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name.lower()))
