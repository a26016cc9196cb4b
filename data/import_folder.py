"""Import other recordings into the FMA's layout, which every notebook and command reads."""

from __future__ import annotations

import functools
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from common import cli
from common.errors import AudioError, UserError
from common.fma.artist_splits import deal_artists, require_every_split
from common.fma.audio_stream import check_audio
from common.fma.dataset import DEMO_MARKER, get_audio_path
from common.fma.metadata import SPLITS
from common.jobs.files import atomic_write, fingerprint
from common.jobs.run import Job, run_jobs
from common.jobs.workers import default_workers
from common.paths import display_path
from common.tables import write_table
from data.importing.sources import ARTIST_FROM, read_sources
from data.importing.tables import (
    KNOWN,
    LEFT_OUT,
    SUBSET,
    give_ids,
    read_known,
    summary,
    write_known,
    write_metadata,
)

SHORTEST, LONGEST = 9.9, 30.0
"""Minimum length of a recording, and length of the part that is checked, in seconds."""

_DESCRIPTION = f"""\
Import your own recordings into the FMA's layout, which every command reads.

SOURCE is a folder with a folder for each genre, which contains folders of artists or files named
"artist - title". Or it is a CSV in UTF-8 with the columns path (relative to the CSV), genre, artist
and optionally title and split:

  music/Techno/Ada/One.mp3             path,genre,artist
  music/Techno/Ada/live/Two.flac       one.mp3,Techno,Ada
  music/Chanson/Bo - Three.mp3         old/three.ogg,Chanson,Bo

Track numbers are no artists: "01 - One.mp3" requires --artist-from. Its values are
  path           the folder below the genre's, or else the name "artist - title", as above
  folder         the folder below the genre's, also if it is a number (Rock/311/Down.mp3)
  name           the name "artist - title", also if the artist is a number (311 - Down.mp3)
  numbered-name  the name "number - artist - title" (01 - Ada - One.mp3)
  tags           the artist tag in the file

Writes links to your files, ROOT/fma_{SUBSET}/000/000001.mp3 and so on, and the tables in
ROOT/fma_metadata/. About 80/10/10 % of each genre's tracks are training, validation and test. No
artist is in two splits, so a genre needs three artists to be in all of them.

Links to folders and files are followed, and each file is imported once. Genres and artists are
compared in Unicode's composed form (NFC). Skipped files are counted.

The first 30 s of each file are decoded; your files are not changed. Unusable files (damaged,
silent, shorter than 10 s, or the same audio as another) are listed in fma_metadata/{LEFT_OUT}. An
interrupted command resumes when it is run again, and a run after files were added keeps ids and
splits.

libsndfile reads WAV, FLAC, OGG, MP3 and other formats, whatever the suffix in the layout."""

_EXAMPLES = """\
  python data/import_folder.py ~/Music/by-genre --out data/mine
  python data/import_folder.py ~/Music/albums --artist-from tags --out data/mine
  python data/import_folder.py tracks.csv --out /big/disk/mine --copy
  FMA_ROOT=data/mine python -m spectrogram_feature.generate_records --all-segments"""


@dataclass(frozen=True)
class _Placement:
    """One job: a file to check, and its path in the data set."""

    source: Path
    root: Path
    name: str
    copy: bool


@dataclass(frozen=True)
class Imported:
    """A finished import."""

    table: pd.DataFrame
    """Indexed by track id: path (a `Source.key`), genre, artist, title, split, problem or empty."""

    notes: list[str]
    """Messages about skipped files."""


def import_folder(
    given: str | Path,
    root: str | Path,
    *,
    artist_from: str = "path",
    copy: bool = False,
    seed: int = 0,
    workers: int | None = None,
) -> Imported:
    """Import recordings into FMA's layout, or complete an interrupted import.

    Parameters
    ----------
    given, artist_from
        See `read_sources`.
    root : path-like
        Root of the data set, which is created if necessary.
    copy : bool
        Copy the files instead of linking them.
    seed : int >= 0
        Seed of the division into splits.
    workers : int, optional
        Number of processes, by default one per core.

    Raises
    ------
    UserError
        If `root` contains other data, or the recordings are insufficient.
    """
    given, root = Path(given), Path(root).absolute()
    _check_places(given, root)
    listing = read_sources(given, artist_from)
    sources = listing.sources
    run = functools.partial(
        run_jobs,
        place,
        folder=root,
        settings={"copy": copy, "source": str(given.resolve())},
        workers=workers,
        description="importing",
        unit="file",
    )
    run([])  # checks the settings before anything is written
    metadata = root / "fma_metadata"
    metadata.mkdir(parents=True, exist_ok=True)
    known = read_known(metadata / KNOWN)
    ids = give_ids(sources, known)
    # Written before the work, so that an interrupted import keeps the ids.
    write_known(metadata / KNOWN, ids, known["split"].to_dict())
    placements = []
    for source in sources:
        path = get_audio_path(f"fma_{SUBSET}", ids[source.key])
        placements.append(_Placement(source.path, root, path.as_posix(), copy))
    results = run([Job(f"{p.name} {fingerprint(p.source)}", p) for p in placements])
    table = pd.DataFrame(
        [vars(source) | result for source, result in zip(sources, results, strict=True)],
        index=pd.Index([ids[s.key] for s in sources], name="track_id"),
    ).sort_index()
    table["path"] = table["key"]
    _leave_out_copies(table)
    table = table[["path", "genre", "artist", "title", "split", "problem"]]
    write_table(metadata / LEFT_OUT, table.loc[table["problem"] != "", ["path", "problem"]])
    _divide(table, known, seed, metadata / LEFT_OUT)
    used = table[table["problem"] == ""]
    splits = known["split"].to_dict() | dict(zip(used["path"], used["split"], strict=True))
    write_known(metadata / KNOWN, ids, splits)
    write_metadata(metadata, used.assign(genres=[(genre,) for genre in used["genre"]]))
    return Imported(table, listing.notes)


def _check_places(given: Path, root: Path) -> None:
    metadata = root / "fma_metadata"
    if (metadata / DEMO_MARKER).exists():
        raise UserError(f"{root} holds the synthetic demo set: choose another folder with --out")
    if not (metadata / KNOWN).exists() and any(root.glob("fma_*/*")):
        raise UserError(f"{root} holds other data (fma_*): choose another folder with --out")
    if given.is_dir() and root.resolve().is_relative_to(given.resolve()):
        raise UserError(f"{root} is inside {given}: choose a folder outside it with --out")


def place(placement: _Placement) -> dict:
    """Check a file, and link or copy it to its path in the data set.

    Returns
    -------
    dict
        ``problem`` (empty if there is none), ``audio`` (checksum of the samples) and, without a
        problem, ``files`` for `run_jobs`.
    """
    target = placement.root / placement.name
    try:
        audio = _checksum(placement.source)
    except AudioError as error:
        target.unlink(missing_ok=True)  # left by an earlier run
        return {"problem": error.reason, "audio": ""}
    target.parent.mkdir(parents=True, exist_ok=True)
    if placement.copy:
        with placement.source.open("rb") as source, atomic_write(target) as file:
            shutil.copyfileobj(source, file)
    else:
        temporary = target.with_name(f".{target.name}.tmp")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(placement.source)
        temporary.replace(target)
    return {"problem": "", "audio": audio, "files": {placement.name: target.stat().st_size}}


def _checksum(path: Path) -> str:
    """Decode the part of a file that is used, and give a checksum of its samples.

    Raises
    ------
    AudioError
        If it does not decode, is too short or silent.
    """
    checksum = hashlib.blake2b(digest_size=16)
    check_audio(path, LONGEST, at_least=SHORTEST, each=lambda block: checksum.update(block.data))
    return checksum.hexdigest()


def _leave_out_copies(table: pd.DataFrame) -> None:
    """Keep only the first of the tracks with the same audio, which might be in two splits."""
    used = table[table["problem"] == ""]
    first = used.groupby("audio")["path"].transform("first")
    for track_id in used.index[used["path"] != first]:
        table.loc[track_id, "problem"] = f"the same audio as {first[track_id]}"


def _divide(table: pd.DataFrame, known: pd.DataFrame, seed: int, left_out: Path) -> None:
    """Fill in the splits of usable tracks if the source does not name them."""
    used = table[table["problem"] == ""]
    if used.empty:
        raise UserError(f"none of {len(table):,} files can be used: {display_path(left_out)}")
    if used["genre"].nunique() < 2:
        raise UserError(
            f"only {used['genre'].iloc[0]} is left of the genres, at least two are needed: see "
            f"{display_path(left_out)}"
        )
    if (used["split"] == "").all():
        earlier = used.assign(split=used["path"].map(known["split"]))
        settled = earlier[earlier["split"].isin(SPLITS)].drop_duplicates("artist")
        before = dict(zip(settled["artist"], settled["split"], strict=True))
        split = used["artist"].map(deal_artists(used, before, seed))
        table.loc[used.index, "split"] = split
    else:
        require_every_split(used, dict(zip(used["artist"], used["split"], strict=True)))


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser("python data/import_folder.py", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("source", metavar="SOURCE", type=Path, help="a folder, or a CSV")
    parser.add_argument("--out", type=Path, required=True, metavar="ROOT", help="the new data set")
    parser.add_argument(
        "--artist-from",
        choices=ARTIST_FROM,
        default="path",
        help="source of a folder's artists, see above",
    )
    parser.add_argument("--copy", action="store_true", help="copy the files instead of linking")
    parser.add_argument("--seed", type=int, default=0, help="seed of the division into splits")
    parser.add_argument("--workers", type=int, default=default_workers(), help="processes")
    arguments = parser.parse_args()
    if arguments.seed < 0:
        raise UserError(f"--seed {arguments.seed} must be at least 0")
    imported = import_folder(
        arguments.source,
        arguments.out,
        artist_from=arguments.artist_from,
        copy=arguments.copy,
        seed=arguments.seed,
        workers=arguments.workers,
    )
    print(*imported.notes, summary(imported.table, arguments.out), sep="\n")


if __name__ == "__main__":
    # Import the module by its full name, so that worker processes can unpickle `place`.
    from data.import_folder import main as main_of_module

    cli.run_command(main_of_module)
