"""Predicting the genre of audio files."""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from threadpoolctl import threadpool_limits

from common import cli
from common.errors import AudioError, AudioMissing, UserError
from common.fma.audio_stream import walk_audio
from common.jobs.run import progress_bar
from common.paths import display_path
from common.text import one_line
from spectrogram_feature.features.parameters import SegmentParameters
from spectrogram_feature.inference.classifier import GenreClassifier, Prediction
from spectrogram_feature.inference.default_model import default_model, find_model
from spectrogram_feature.inference.text import Table, as_bars, as_json

Found = Path | AudioError
"""A file to predict, or what is wrong with it."""


def find_audio(arguments: Iterable[str | Path]) -> Iterator[Found]:
    """Find the files that are meant by some files and folders.

    Parameters
    ----------
    arguments : iterable of path-like
        Folders are searched with all folders in them; what is hidden is passed over.

    Yields
    ------
    Path or AudioError
        Files in the order of the arguments, those of a folder sorted, or what is wrong with an
        argument. Audio that needs another program is among them, so that it does not go unnoticed.
    """
    for argument in arguments:
        path = Path(argument)
        try:
            if path.is_dir():
                found = sorted(walk_audio(path))
                yield from found
                if not found:
                    yield AudioMissing(path, "this folder holds no audio files")
            elif not path.exists():
                yield AudioMissing(path, "no such file")
            elif not path.is_file():
                # Opened, a pipe would keep us waiting for ever, and a device may have no end.
                yield AudioMissing(path, "is a device or a pipe, not a file")
            elif not os.access(path, os.R_OK):
                yield AudioMissing(path, "permission denied")
            else:
                yield path
        except OSError as error:  # such as a name that is too long
            yield AudioMissing(path, f"cannot be read ({error.strerror})")


def predict_all(
    classifier: GenreClassifier, found: Iterable[Found], *, keep_features: bool = False
) -> Iterator[tuple[Path, Prediction | AudioError]]:
    """Predict files one after the other; one that is broken costs itself only.

    Parameters
    ----------
    classifier : GenreClassifier
    found : iterable
        As `find_audio` gives it.
    keep_features : bool
        As `GenreClassifier.predict` takes it.

    Yields
    ------
    path : Path
    prediction : Prediction or AudioError
    """
    for item in found:
        if isinstance(item, AudioError):
            yield Path(item.path), item
            continue
        try:
            yield item, classifier.predict(item, keep_features=keep_features)
        except AudioError as error:
            yield item, error


def draw(
    path: Path, prediction: Prediction, parameters: SegmentParameters, out: str | Path
) -> None:
    """Draw how the probabilities of a file's genres change with time, above its features.

    Parameters
    ----------
    path : Path
    prediction : Prediction
        With its features.
    parameters : SegmentParameters
        Of these.
    out : path-like
        The figure; its ending says which format.
    """
    from common.plotting.prediction_plots import genres_over_time

    figure = genres_over_time(
        prediction.edges,
        prediction.by_segment,
        prediction.genres,
        parameters.decibels(prediction.kept_features),
        reference=parameters.reference,
        frequencies=parameters.frequencies,
        title=f"Genres of {one_line(path.name)}",
    )
    figure.savefig(out)


def _parse_arguments() -> argparse.Namespace:
    parser = cli.make_parser(
        "python -m spectrogram_feature.predict",
        "Predict the genre of audio files with a model of spectrogram_feature.training.\n\n"
        "Reads MP3, FLAC, OGG, Opus, WAV and what else libsndfile reads, of any length from 1 s\n"
        "on, any sample rate, mono to multichannel; searches folders. M4A and the like must be\n"
        "converted before. A file is heard in segments of 10 s from its beginning to its end, and\n"
        "the mean of what the model says of them is told.\n\n"
        "Prints bars for one file, a table for several, or with --json a line of JSON for each:\n"
        "file, seconds, model, top, genres (the probability of each) and segments; or file and\n"
        "error. A file that cannot be used costs a line on the standard error; the others go on,\n"
        "and the exit code is 1.",
        "  python -m spectrogram_feature.predict song.mp3\n"
        "  python -m spectrogram_feature.predict song.mp3 --plot song.png\n"
        "  python -m spectrogram_feature.predict ~/Music --json > genres.jsonl\n"
        "  python -m spectrogram_feature.predict a.flac b.ogg --model data/models/mine/cnn --top 5",
    )
    parser.add_argument("files", nargs="+", metavar="FILE_OR_FOLDER", help="what to listen to")
    parser.add_argument(
        "--model",
        help="model.keras, or its folder; by default the one that Training.ipynb chose, or the "
        "newest that is no ablation",
    )
    parser.add_argument("--top", type=int, default=3, help="how many genres are printed")
    parser.add_argument("--json", action="store_true", help="print lines of JSON, for programs")
    parser.add_argument(
        "--plot", metavar="PNG", help="draw the genres of one file over time, above its spectrogram"
    )
    return parser.parse_args()


def main() -> None:
    """Run the command; ``--help`` explains it."""
    arguments = _parse_arguments()
    if arguments.top < 1:
        raise UserError(f"--top {arguments.top}: ask for at least 1 genre")
    found = list(find_audio(arguments.files))
    if arguments.plot:
        _check_plot(Path(arguments.plot), len(found))
    paths = [path for path in found if isinstance(path, Path)]
    if not paths:  # nobody has to wait for TensorFlow to be told so
        for item in found:
            if isinstance(item, AudioError):
                _report(item, as_json=arguments.json)
        sys.exit(1)
    named = arguments.model is not None
    model, why = (find_model(arguments.model), "") if named else default_model()
    classifier = GenreClassifier.load(model)
    threadpool_limits(1, user_api="blas")  # its matrices are small: two threads cost more than one
    write = _writer(arguments, classifier, model, why, paths)
    failures = 0
    with progress_bar(
        total=len(found), desc="predicting", unit="file", disable=len(found) == 1
    ) as bar:
        for path, outcome in predict_all(classifier, found, keep_features=bool(arguments.plot)):
            with bar.external_write_mode():
                if isinstance(outcome, AudioError):
                    failures += 1
                    _report(outcome, as_json=arguments.json)
                else:
                    print(write(path, outcome), flush=True)
            bar.update()
            if arguments.plot and not isinstance(outcome, AudioError):
                draw(path, outcome, classifier.parameters, arguments.plot)
    if failures:
        sys.exit(1)


def _writer(
    arguments: argparse.Namespace,
    classifier: GenreClassifier,
    model: Path,
    why: str,
    paths: list[Path],
) -> Callable[[Path, Prediction], str]:
    """Choose how predictions are written, and print what comes before the first one."""
    if arguments.json:
        return functools.partial(as_json, model=display_path(model))
    print(
        f"Model: {classifier.card.name}, trained on {classifier.trained_on}; {display_path(model)}"
        + (f" ({why})" if why else "")
    )
    if len(paths) == 1:
        return functools.partial(as_bars, top=arguments.top)
    table = Table(paths, classifier.genres, arguments.top)
    print(table.header)
    return table.row


def _report(error: AudioError, *, as_json: bool) -> None:
    """Say in a line what is wrong with a file; where JSON is asked for, there too."""
    if as_json:
        print(json.dumps({"file": str(error.path), "error": error.reason}), flush=True)
    print(f"error: {one_line(error)}", file=sys.stderr)


def _check_plot(out: Path, count: int) -> None:
    """Refuse what cannot be drawn before anything is computed."""
    from matplotlib.figure import Figure

    if count != 1:
        raise UserError(f"--plot draws one file, and here are {count}: give it one at a time")
    formats = Figure().canvas.get_supported_filetypes()
    if out.suffix[1:].lower() not in formats:
        raise UserError(f"--plot {out}: let its name end in .png, .svg or .pdf")
    if not out.parent.is_dir():
        raise UserError(f"--plot {out}: there is no folder {out.parent}; make it first")


if __name__ == "__main__":
    cli.run_command(main, interrupted="interrupted")
