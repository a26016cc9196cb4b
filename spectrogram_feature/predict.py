"""Prediction of the genres of audio files."""

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
from common.fma.audio_files import search_folder
from common.jobs.run import progress_bar
from common.paths import display_path
from common.text import one_line
from spectrogram_feature.features.parameters import SegmentParameters
from spectrogram_feature.inference.classifier import GenreClassifier, Prediction
from spectrogram_feature.inference.default_model import default_model, find_model
from spectrogram_feature.inference.text import Table, as_bars, as_json

Found = Path | AudioError  # a file to predict, or its error


def find_audio(arguments: Iterable[str | Path]) -> Iterator[Found]:
    """List the audio files of some files and folders, or the error of an argument.

    Folders are searched recursively; hidden files are skipped. Files are in the order of the
    arguments, those of a folder sorted. Formats that need another program are included, so that
    they are reported.
    """
    for argument in arguments:
        path = Path(argument)
        try:
            if path.is_dir():
                found = search_folder(path).paths
                yield from found
                if not found:
                    yield AudioMissing(path, "this folder holds no audio files")
            elif not path.exists():
                yield AudioMissing(path, "no such file")
            elif not path.is_file():
                # Opening a pipe would block, and a device may have no end.
                yield AudioMissing(path, "is a device or a pipe, not a file")
            elif not os.access(path, os.R_OK):
                yield AudioMissing(path, "permission denied")
            else:
                yield path
        except OSError as error:  # for example a name that is too long
            yield AudioMissing(path, f"cannot be read ({error.strerror})")


def predict_all(
    classifier: GenreClassifier, found: Iterable[Found], *, keep_features: bool = False
) -> Iterator[tuple[Path, Prediction | AudioError]]:
    """Predict files of `find_audio` one after the other; a broken file yields its error."""
    for item in found:
        if isinstance(item, AudioError):
            yield Path(item.path), item
            continue
        try:
            yield item, classifier.predict(item, keep_features=keep_features)
        except AudioError as error:
            yield item, error


def draw(
    path: Path,
    prediction: Prediction,
    parameters: SegmentParameters,
    out: str | Path,
    threshold: float | None = None,
) -> None:
    """Draw the genre probabilities of a file over time, above its features.

    Sub-genres are omitted. The prediction must contain the features; ``parameters`` are theirs. The
    suffix of ``out`` selects the format. For ``threshold``, see `genres_over_time`.
    """
    from common.plotting.plots import genres_over_time

    roots = [index for index, g in enumerate(prediction.genres) if g not in prediction.parents]
    figure = genres_over_time(
        prediction.edges,
        prediction.by_segment[:, roots],
        [prediction.genres[index] for index in roots],
        parameters.decibels(prediction.kept_features),
        reference=parameters.reference,
        frequencies=parameters.frequencies,
        title=f"Genres of {one_line(path.name)}",
        threshold=threshold,
    )
    figure.savefig(out)


def _parse_arguments() -> argparse.Namespace:
    parser = cli.make_parser(
        "python -m spectrogram_feature.predict",
        "Predict the genre of audio files with a model of spectrogram_feature.training.\n\n"
        "Reads MP3, FLAC, OGG, Opus, WAV and other formats of libsndfile, from 1 s on, at any\n"
        "sample rate, mono to multichannel, and searches folders. Convert M4A and similar formats\n"
        "first. The prediction is the mean probability over segments of 10 s; silent segments\n"
        "have no weight. A note follows if bytes do not decode, or if channels cancel and another\n"
        "mix is used.\n\n"
        "Prints bars for one file, a table for several, or with --json a line of JSON for each:\n"
        "file, seconds, model, top, genres (the probability of each), segments and notes; or file\n"
        "and error. A file that cannot be used is reported in one line on the standard error; the\n"
        "other files are predicted, and the exit code is 1.\n\n"
        "A model of several genres a track (training.py --labels) predicts the genres whose\n"
        "probability is at least --threshold. Bars and tables have the most probable root genres,\n"
        "bars with all predicted sub-genres of a root, tables with the most probable one. Bars of\n"
        "roots below the threshold are light. JSON also has labels, parents, threshold and\n"
        "predicted.",
        "  python -m spectrogram_feature.predict song.mp3\n"
        "  python -m spectrogram_feature.predict song.mp3 --plot song.png\n"
        "  python -m spectrogram_feature.predict ~/Music --json > genres.jsonl\n"
        "  python -m spectrogram_feature.predict song.mp3 --model cnn.onnx --threshold 0.5\n"
        "  python -m spectrogram_feature.predict a.flac b.ogg --model data/models/mine/cnn --top 5",
    )
    parser.add_argument("files", nargs="+", metavar="FILE_OR_FOLDER", help="audio files or folders")
    parser.add_argument(
        "--model",
        help="model.keras, its folder, or an ONNX file of spectrogram_feature.export, which starts "
        "faster and needs no TensorFlow; by default the model that Training.ipynb chose, or the "
        "newest that is no ablation",
    )
    parser.add_argument("--top", type=int, default=3, help="number of (root) genres to print")
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="for a model of several genres a track: smallest probability of a predicted genre, "
        "by default that of highest F1 on the validation split",
    )
    parser.add_argument("--json", action="store_true", help="print lines of JSON")
    parser.add_argument(
        "--plot", metavar="PNG", help="draw the genres of one file over time, above its spectrogram"
    )
    return parser.parse_args()


def main() -> None:
    """Run the command; ``--help`` explains it."""
    arguments = _parse_arguments()
    if arguments.top < 1:
        raise UserError(f"--top {arguments.top}: at least 1 genre is needed")
    if arguments.threshold is not None and not 0 <= arguments.threshold <= 1:
        raise UserError(f"--threshold {arguments.threshold:g}: a probability from 0 to 1 is needed")
    found = list(find_audio(arguments.files))
    if arguments.plot:
        _check_plot(Path(arguments.plot), len(found))
    paths = [path for path in found if isinstance(path, Path)]
    if not paths:  # report errors without importing TensorFlow
        for item in found:
            if isinstance(item, AudioError):
                _report(item, as_json=arguments.json)
        sys.exit(1)
    named = arguments.model is not None
    model, why = (find_model(arguments.model), "") if named else default_model()
    classifier = GenreClassifier.load(model)
    threshold = _threshold(classifier, model, arguments.threshold)
    threadpool_limits(1, user_api="blas")  # two threads are slower on small matrices
    write = _writer(arguments, classifier, model, why, paths, threshold)
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
                draw(path, outcome, classifier.parameters, arguments.plot, threshold)
    if failures:
        sys.exit(1)


def _threshold(classifier: GenreClassifier, model: Path, given: float | None) -> float | None:
    """Choose the threshold: the given one, or that of the card; None for one genre a track."""
    if not classifier.card.has_several_genres:
        if given is not None:
            raise UserError(
                f"--threshold is for models of several genres a track, and {display_path(model)} "
                "predicts one: omit it"
            )
        return None
    return classifier.card.training["threshold"] if given is None else given


def _writer(
    arguments: argparse.Namespace,
    classifier: GenreClassifier,
    model: Path,
    why: str,
    paths: list[Path],
    threshold: float | None,
) -> Callable[[Path, Prediction], str]:
    """Choose the output format, and print the header."""
    if arguments.json:
        return functools.partial(
            as_json,
            model=display_path(model),
            labels=classifier.card.labels,
            threshold=threshold,
        )
    print(
        f"Model: {classifier.card.name}, trained on {classifier.trained_on}; {display_path(model)}"
        + (f" ({why})" if why else "")
    )
    if threshold is not None:
        print(f"Threshold: {100 * threshold:.1f} %")
    if len(paths) == 1:
        return functools.partial(as_bars, top=arguments.top, threshold=threshold)
    table = Table(paths, classifier.genres, arguments.top, threshold)
    print(table.header)
    return table.row


def _report(error: AudioError, *, as_json: bool) -> None:
    """Print the error of a file in one line, with JSON also as an object."""
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
