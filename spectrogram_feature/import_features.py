"""Import of features that were computed elsewhere into TFRecords, and its command.

The records have the format of `generate_records`, so that training, baselines, cross-validation
and the notebooks take them. Their manifest says what the features are. A model of them cannot be
applied to audio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from common import cli
from common.cli import add_label_options, add_workers_option
from common.errors import UserError
from common.fma.labels import MIN_TRACKS
from common.fma.track_plan import plan_labels
from common.jobs.files import crc32c_of
from common.paths import output_root
from common.records import shards
from common.records.shards import TRACKS_PER_SHARD, deal_tracks, run_shards, summarise
from common.records.tfrecords import Manifest
from common.text import name_text
from common.track_table import find_table, read_track_table
from spectrogram_feature.features.arrays import (
    ArrayError,
    describe_arrays,
    find_arrays,
    read_array,
    to_levels,
)
from spectrogram_feature.features.imported import ImportedParameters
from spectrogram_feature.features.kinds import IMPORTED

NO_ARRAY = "no array or picture of this track"


@dataclass(frozen=True)
class Shard(shards.Shard):
    """One job: the tracks of one TFRecord file, as (track id, label, `Place` or None).

    A failure is (track id, reason).
    """

    parameters: ImportedParameters
    bins_first: bool

    @property
    def size(self) -> int:
        """int: approximate size of the file in bytes."""
        segments = sum(len(place.rows) or 1 for _, _, place in self.tracks if place)
        return segments * math.prod(self.parameters.shape)

    def file_of(self, track: tuple) -> Path:
        """Return the path of the file with a track's features."""
        track_id, _, place = track
        return self.source / (place.file if place else f"{track_id:06d}")

    def read(self, track: tuple) -> tuple[dict[int, np.ndarray], list[tuple]]:
        """Read the features of a track as levels."""
        track_id, _, place = track
        if place is None:
            return {}, [(track_id, NO_ARRAY)]
        try:
            array = read_array(self.source, place, bins_first=self.bins_first)
            levels = to_levels(array, self.parameters)
        except (ArrayError, ValueError) as error:
            return {}, [(track_id, getattr(error, "reason", str(error)))]
        return dict(enumerate(np.ascontiguousarray(levels))), []


def generate(
    source: str | Path,
    out: str | Path,
    *,
    metadata: str | Path | None = None,
    subset: str | None = None,
    limits: tuple[float, float] | None = None,
    unit: str = "level",
    seconds: float = 30.0,
    bins_first: bool = False,
    title: str | None = None,
    origin: str | None = None,
    mapping: str = "all",
    labels: str = "top",
    min_tracks: int = MIN_TRACKS,
    workers: int | str | None = None,
    tracks_per_shard: int = TRACKS_PER_SHARD,
) -> tuple[Manifest, list[str]]:
    """Write the records of features that were computed elsewhere, or those that are missing.

    Parameters
    ----------
    source : path-like
        See `spectrogram_feature.features.arrays.find_arrays`.
    out : path-like
        The folder for the shards, ``manifest.json``, ``tracks.csv`` and ``failures.csv``.
    metadata : path-like, optional
        Table of genres, splits and artists; see `common.track_table`.
    subset : str, optional
        A subset of FMA's table. Its tracks without an array are failures; without a subset, tracks
        without an array are left out.
    limits : (float, float), optional
        Values of levels 0 and 255, by default 0 and 255. Arrays of floats require it.
    unit : str
        Unit of the values.
    seconds : float
        Duration of a segment, for the time axis and the time masks of SpecAugment.
    bins_first : bool
        Arrays have the shape (bins, frames).
    title, origin : str, optional
        Name of the data set, and the origin of the features.
    mapping, labels, min_tracks, workers, tracks_per_shard
        See `spectrogram_feature.generate_records.generate`.

    Returns
    -------
    manifest : Manifest
    notes : list of str
        Lines for the user.

    Raises
    ------
    UserError
        If there are no arrays, no table, no track in both, too few genres or splits, or the folder
        holds records with other settings.
    """
    source, out = Path(source).absolute(), Path(out).absolute()
    folder, places, ignored = find_arrays(source)
    table = find_table(source, metadata)
    tracks, notes = read_track_table(table, subset, list(places), labels)
    present = tracks.index.isin(list(places))
    if not present.any():
        raise UserError(
            f"none of the {len(places):,} tracks is in {table}: are the files named after ids?"
        )
    planned, genres_csv = tracks if subset else tracks[present], table.with_name("genres.csv")
    plan, of_labels = plan_labels(planned, mapping, labels, genres_csv, min_tracks)
    plan["place"] = [places.get(track) for track in plan.index]
    if unused := len(places) - int(plan["place"].notna().sum()):
        notes.append(f"{unused:,} arrays of tracks without genre or split in {table} are left out")
    if ignored:
        notes.append(f"{len(ignored):,} files are not named after a track id: {ignored[0]} …")
    shape, examples = describe_arrays(folder, places, bins_first=bins_first)
    low, high = limits or (0, 255)
    if examples[0].dtype != np.uint8:
        values = np.concatenate([array.ravel() for array in examples])
        lowest, highest = np.nanmin(values), np.nanmax(values)
        outside = [array.min() < low or array.max() > high for array in examples]
        if limits is None or np.mean(outside) > 0.5:
            raise UserError(
                f"the arrays of {source} are {examples[0].dtype}, with values from {lowest:.4g} to "
                f"{highest:.4g} in a sample: state a range that contains them, e.g. --range -80 0"
            )
    parameters = ImportedParameters(
        *shape,
        seconds=seconds,
        low=low,
        high=high,
        unit=unit,
        origin=origin or f"computed elsewhere, imported from {source.name}",
    )
    described: dict[str, Any] = {
        "kind": IMPORTED,
        "parameters": parameters.to_dict(),
        **of_labels,
    }
    settings = {**described, "tracks_per_shard": tracks_per_shard, "bins_first": bins_first}
    if source.is_file():
        settings["crc32c"] = crc32c_of(source)
        workers = workers if isinstance(workers, str) else 1  # each worker would load the file
    dealt = [
        Shard(split, out / name, folder, chosen, parameters, bins_first)
        for split, name, chosen in deal_tracks(plan, ("label", "place"), tracks_per_shard)
    ]
    written = run_shards(
        dealt,
        plan.drop(columns="place"),
        settings,
        out=out,
        source=folder,
        failure=("reason",),
        workers=workers,
        description="features",
    )
    manifest = Manifest(
        **described,
        **written,
        mapping=mapping,
        data_set={
            "title": title or name_text(source.stem),
            "subset": subset or "all",
            "synthetic": False,
        },
        versions={name: version(name) for name in ("numpy", "pillow")},
    )
    manifest.write(out)
    return manifest, notes


def main() -> None:
    """Run the command; ``--help`` explains it."""
    arguments = _parse_arguments()
    source = Path(arguments.source)
    name = name_text(arguments.title or source.resolve().stem)
    out = Path(arguments.out or output_root() / "records" / f"{name}-imported")
    manifest, notes = generate(
        source,
        out,
        metadata=arguments.metadata,
        subset=arguments.subset,
        limits=arguments.range and tuple(arguments.range),
        unit=arguments.unit,
        seconds=arguments.seconds,
        bins_first=arguments.bins_first,
        title=arguments.title,
        origin=arguments.origin,
        mapping=arguments.genres,
        labels=arguments.labels,
        min_tracks=arguments.min_tracks,
        workers=arguments.cluster or arguments.workers,
    )
    parameters = manifest.parameters
    print(
        f"{parameters['frames']} frames × {parameters['n_bins']} bins; levels 0 to 255 are "
        f"{parameters['low']:g} to {parameters['high']:g} {parameters['unit']}"
    )
    print(*notes, summarise(manifest, out, "segments"), sep="\n")


def _parse_arguments() -> Any:
    parser = cli.make_parser(
        "python -m spectrogram_feature.import_features",
        "Turn features that were computed elsewhere into TFRecords for stage 2.\n\n"
        "SOURCE is a folder with a file a track, named after the track's id in any subfolder\n"
        "(000/000002.npy or 000/000002.png), or one .npz file with `ids` and `features`, or with\n"
        "an array a track, named after its id. Arrays have the shape (frames, bins) or (segments,\n"
        "frames, bins); repeated ids are segments of one track. Values are uint8, or floats with\n"
        "--range. Pictures are grey; columns are frames, and the lowest row is bin 0.\n\n"
        "Genres, splits and artists come from FMA's tracks.csv, or from a CSV with the columns\n"
        "track_id, genre, and optionally split and artist. Without splits, they are made by\n"
        "artist.\n\n"
        "Arrays with NaN, another shape, values outside the range or a single value are listed in\n"
        "failures.csv and skipped. Training, baselines, cross-validation and the notebooks work\n"
        "on the records; predict and export do not, since nothing computes the features from\n"
        "audio. The command can be interrupted at any time; run it again to continue.",
        "  python -m spectrogram_feature.import_features pictures/ --metadata fma_metadata \\\n"
        '      --subset small --range -80 0 --unit dB --title "FMA small, mel"\n'
        "  python -m spectrogram_feature.import_features mels.npz --metadata tracks.csv \\\n"
        "      --range 0 7 --seconds 10 --bins-first --out data/records/mels",
    )
    parser.add_argument("source", metavar="SOURCE", help="folder of .npy or .png files, or .npz")
    parser.add_argument("--out", help="folder for the records; by default one under data/records")
    parser.add_argument(
        "--metadata",
        help="tracks.csv or its folder; by default SOURCE/tracks.csv or fma_metadata/ beside it",
    )
    parser.add_argument("--subset", help="small, medium, large or full of FMA's tracks.csv")
    parser.add_argument(
        "--genres", default="all", help="all, frequent or merged, as for generate_records"
    )
    add_label_options(parser)
    parser.add_argument(
        "--range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="values of levels 0 and 255; required for floats",
    )
    parser.add_argument("--unit", default="level", help="unit of the values, e.g. dB")
    parser.add_argument("--seconds", type=float, default=30.0, help="duration of a segment")
    parser.add_argument(
        "--bins-first", action="store_true", help="arrays are (bins, frames), as librosa's"
    )
    parser.add_argument("--title", help="name of the data set in tables and figures")
    parser.add_argument("--origin", help="how and by whom the features were computed")
    add_workers_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    # The workers must find the functions under the module's name, not under __main__.
    from spectrogram_feature.import_features import main as main_of_module

    cli.run_command(main_of_module)
