"""Bring recordings of one's own into the FMA's layout, which every notebook and command reads."""

from __future__ import annotations

import functools
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from common import cli
from common.errors import AudioError, UserError
from common.fma.audio_stream import check_audio
from common.fma.dataset import DEMO_MARKER, get_audio_path
from common.fma.metadata import SPLITS
from common.jobs.files import atomic_write
from common.jobs.run import Job, run_jobs
from common.jobs.workers import default_workers
from common.paths import display_path
from common.tables import write_table
from data.importing.artist_splits import deal_artists, require_every_split
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
"""Seconds: how long a recording must be, a segment; and how much of it is checked and used."""

_DESCRIPTION = f"""\
Bring recordings of your own into the FMA's layout, so that every command here works on them.

SOURCE is a folder with one folder for each genre, in it one for each artist, or files called
"artist - title"; or a CSV in UTF-8 with the columns path, genre, artist and, if wanted, title and
split, its paths relative to the CSV:

  music/Techno/Ada/One.mp3             path,genre,artist
  music/Techno/Ada/live/Two.flac       one.mp3,Techno,Ada
  music/Chanson/Bo - Three.mp3         old/three.ogg,Chanson,Bo

Track numbers are no artists: "01 - One.mp3" is refused until --artist-from tells where the artist
is. With --artist-from
  path           the folder below the genre's, or else the name "artist - title", as above
  folder         the folder below the genre's, also if it is a number (Rock/311/Down.mp3)
  name           the name "artist - title", also if the artist is a number (311 - Down.mp3)
  numbered-name  the name "number - artist - title" (01 - Ada - One.mp3)
  tags           the artist tag in the file

Writes ROOT/fma_{SUBSET}/000/000001.mp3 and so on, as links to your files, and the tables of
ROOT/fma_metadata/. Artists are divided among training, validation and test, 80/10/10 of each
genre's tracks as nearly as whole artists allow; none is in two, or a network would be tested on
voices and studios it was trained on. A genre needs three artists to be in all three.

Links to folders and files are followed, and each file is imported once. Genres and artists are
compared in Unicode's composed form (NFC). What is skipped is counted and named.

Your files are only read. Each is decoded first, 30 s of it; those that cannot be used (damaged,
silent, shorter than 10 s, or the same audio as another) are left out and listed in
fma_metadata/{LEFT_OUT}. Stopped, the same command goes on. Run again after files were added, it
keeps the ids and splits that were given.

Of each recording the first 30 s are used, in whatever format libsndfile reads: WAV, FLAC, OGG, MP3
and others. The layout calls every file .mp3; its content decides."""

_EXAMPLES = """\
  python data/import_folder.py ~/Music/by-genre --out data/mine
  python data/import_folder.py ~/Music/albums --artist-from tags --out data/mine
  python data/import_folder.py tracks.csv --out /big/disk/mine --copy
  FMA_ROOT=data/mine python -m spectrogram_feature.generate_records --all-segments"""


@dataclass(frozen=True)
class _Placement:
    """One job: a file to check, and its place in the data set."""

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
    """Lines about what was skipped."""


def import_folder(
    given: str | Path,
    root: str | Path,
    *,
    artist_from: str = "path",
    copy: bool = False,
    seed: int = 0,
    workers: int | None = None,
) -> Imported:
    """Bring recordings into FMA's layout, or what is missing of them.

    Parameters
    ----------
    given, artist_from
        As `read_sources` takes them.
    root : path-like
        The data set's root; made if it is not there.
    copy : bool
        Copy the files instead of linking them.
    seed : int >= 0
        Of the division into splits.
    workers : int, optional
        Processes, by default one a core.

    Raises
    ------
    UserError
        If the folder holds anything else, or the recordings make no data set.
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
    run([])  # or refuse other settings, before anything is written
    metadata = root / "fma_metadata"
    metadata.mkdir(parents=True, exist_ok=True)
    known = read_known(metadata / KNOWN)
    ids = give_ids(sources, known)
    # Before the work: whatever ends it, the ids stay.
    write_known(metadata / KNOWN, ids, known["split"].to_dict())
    placements = [_Placement(s.path, root, _name_of(ids[s.key], root), copy) for s in sources]
    results = run([Job(f"{p.name} {_state_of(p.source)}", p) for p in placements])
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
    write_metadata(metadata, used)
    return Imported(table, listing.notes)


def _check_places(given: Path, root: Path) -> None:
    metadata = root / "fma_metadata"
    if (metadata / DEMO_MARKER).exists():
        raise UserError(f"{root} holds the synthetic demo set: choose another folder with --out")
    if not (metadata / KNOWN).exists() and any(root.glob("fma_*/*")):
        raise UserError(f"{root} holds other data (fma_*): choose another folder with --out")
    if given.is_dir() and root.resolve().is_relative_to(given.resolve()):
        raise UserError(f"{root} is inside {given}: choose a folder outside it with --out")


def _name_of(track_id: int, root: Path) -> str:
    return get_audio_path(root / f"fma_{SUBSET}", track_id).relative_to(root).as_posix()


def _state_of(path: Path) -> str:
    """Give the size and time of a file, which tell that it was replaced."""
    try:
        state = path.stat()
    except OSError:
        return "missing"
    return f"{state.st_size} {state.st_mtime_ns}"


def place(placement: _Placement) -> dict:
    """Check a file, and link or copy it to its place: the work of a job.

    Returns
    -------
    dict
        ``problem``, empty if there is none; ``audio``, a checksum of the samples; and then
        ``files``, as `run_jobs` takes them.
    """
    target = placement.root / placement.name
    try:
        audio = _checksum(placement.source)
    except AudioError as error:
        target.unlink(missing_ok=True)  # from when it was in order
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
    """Keep the first of the tracks with the same audio; in two splits they would spoil the test."""
    used = table[table["problem"] == ""]
    first = used.groupby("audio")["path"].transform("first")
    for track_id in used.index[used["path"] != first]:
        table.loc[track_id, "problem"] = f"the same audio as {first[track_id]}"


def _divide(table: pd.DataFrame, known: pd.DataFrame, seed: int, left_out: Path) -> None:
    """Fill in the splits of what can be used, where the source does not name them."""
    used = table[table["problem"] == ""]
    if used.empty:
        raise UserError(f"none of {len(table):,} files can be used: {display_path(left_out)}")
    if used["genre"].nunique() < 2:
        raise UserError(
            f"only {used['genre'].iloc[0]} is left of the genres, two are needed: "
            f"{display_path(left_out)} says why"
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
        help="where a folder's artists are, see above",
    )
    parser.add_argument(
        "--copy", action="store_true", help="copy the files; otherwise they are linked"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the division into splits")
    parser.add_argument("--workers", type=int, default=default_workers(), help="processes")
    arguments = parser.parse_args()
    if arguments.seed < 0:
        raise UserError(f"--seed {arguments.seed} does not work: ask for 0 or more")
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
    # The workers must find `place` under the module's name, not under __main__.
    from data.import_folder import main as main_of_module

    cli.run_command(main_of_module)
