"""The card of a folder of records as Croissant, which describes data sets for machine learning.

M. Akhtar et al., "Croissant: a metadata format for ML-ready datasets", DEEM, 2024, and its
specification 1.0, https://docs.mlcommons.org/croissant/docs/croissant-spec.html.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.fma.labels import SEPARATOR
from common.fma.licences import describe_licence

CARD = "croissant.json"  # name of the card, beside the manifest

_TERMS = (
    "citeAs column conformsTo:dct equivalentProperty extract field fileProperty fileObject fileSet "
    "format includes isLiveDataset jsonPath key md5 parentField path recordSet references regex "
    "repeated replace samplingRate separator source subField transform"
)

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
} | {
    name: f"{vocabulary or 'cr'}:{name}"
    for name, _, vocabulary in (term.partition(":") for term in _TERMS.split())
}
"""The JSON-LD context of the specification."""

_COLUMNS = {
    "track_id": ("sc:Integer", "Identifier of the track."),
    "split": ("sc:Text", "training, validation or test; splits share no artist in the FMA."),
    "genre": ("sc:Text", "Genre of the track."),
    "label": ("sc:Integer", "Position of the genre in the order of the labels."),
    "artist": ("sc:Text", "Artist, unique for a track of an unknown artist."),
}
"""Columns of the table of tracks: type and description."""

_COLUMNS_OF_SEVERAL = _COLUMNS | {
    "genre": ("sc:Text", "Genres of the track."),
    "label": ("sc:Integer", "Position of the genres of the track in label_sets of manifest.json."),
}
"""The same, if a track may have several genres."""


def describe(manifest: Mapping[str, Any], table: Path) -> dict[str, Any]:
    """Describe a folder of records in Croissant.

    ``manifest`` has the attributes of `tfrecords.Manifest`, and ``table`` is the CSV of the planned
    tracks in the folder, which may be missing. Shards are sets of files; the manifest has their
    checksums.
    """
    data_set = manifest["data_set"]
    title = data_set.get("title", "unnamed data")
    kind, licence = manifest["kind"], describe_licence(data_set)[1]
    synthetic = " The music is synthetic." if data_set.get("synthetic") else ""
    several = manifest.get("labels", "top") != "top"
    order = (
        "A track may have several genres. Genres, each after its parent"
        if several
        else "Genres in label order"
    )
    files = [_file_set(split, shards) for split, shards in manifest["shards"].items() if shards]
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"{title}, {kind} records",
        "description": (
            f"TFRecords of {kind} features of {title}, for genre classification.{synthetic} "
            f"{order}: {', '.join(manifest['genres'])}. manifest.json has all parameters of the "
            "features, the counts and the checksum of each shard."
        ),
        "license": licence,
    }
    if not table.exists():
        return described | {"distribution": files}
    return described | {
        "distribution": [_file_object(table), *files],
        "recordSet": [_record_set(table, several=several)],
    }


def _file_set(split: str, shards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    records = sum(shard["records"] for shard in shards)
    return {
        "@type": "cr:FileSet",
        "@id": f"{split}-shards",
        "name": f"{split} shards",
        "description": (
            f"{records:,} records of the {split} split: protobuf messages tf.train.Example with "
            "features (raw bytes), label, track_id and segment."
        ),
        "encodingFormat": "application/x-tfrecord",
        "includes": f"{split}-*.tfrecord",
    }


def _file_object(table: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": table.name,
        "name": table.name,
        "description": "The planned tracks.",
        "contentUrl": table.name,
        "encodingFormat": "text/csv",
        "sha256": hashlib.sha256(table.read_bytes()).hexdigest(),
    }


def _record_set(table: Path, *, several: bool) -> dict[str, Any]:
    with table.open(newline="", encoding="utf-8") as file:
        present = next(csv.reader(file))
    return {
        "@type": "cr:RecordSet",
        "@id": "tracks",
        "name": "tracks",
        "description": "The planned tracks; failures.csv lists those that could not be read.",
        "key": {"@id": "tracks/track_id"},
        "field": [_field(table, name, several=several) for name in _COLUMNS if name in present],
    }


def _field(table: Path, name: str, *, several: bool) -> dict[str, Any]:
    """Describe a column; several genres are joined by `SEPARATOR`."""
    kind, description = (_COLUMNS_OF_SEVERAL if several else _COLUMNS)[name]
    source: dict[str, Any] = {"fileObject": {"@id": table.name}, "extract": {"column": name}}
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"tracks/{name}",
        "name": name,
        "description": description,
        "dataType": kind,
        "source": source,
    }
    if several and name == "genre":
        field["repeated"] = True
        source["transform"] = {"separator": SEPARATOR}
    return field
