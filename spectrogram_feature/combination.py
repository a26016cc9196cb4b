"""Averages of models, e.g. of networks on different features, judged on the same tracks."""

from __future__ import annotations

from pathlib import Path

from common import cli
from common.errors import UserError
from common.evaluation.judging import Judged, average_models, judge, note_gain
from common.evaluation.leaderboard import Result, text_leaderboard, write_leaderboard
from common.evaluation.predictions import Predictions


def combine(paths: list[str]) -> list[Result]:
    """Judge saved predictions and their average.

    Parameters
    ----------
    paths : list of str
        Files that cross-validation or a training has saved, of the same tracks. Each row has the
        name of the file's folder.

    Returns
    -------
    list of Result
        The rows of the files, then that of the average, with its gain over the most accurate.

    Raises
    ------
    UserError
        If a file holds no predictions, or they are of different tracks or genres.
    """
    judged: list[Judged] = [
        judge(Predictions.load(path), Path(path).resolve().parent.name) for path in paths
    ]
    try:
        average = average_models(judged)
    except ValueError as error:
        raise UserError(f"{error}: give those of the same tracks, folds and genres") from None
    best = max(judged, key=lambda one: one[0].scores.track_accuracy.value)
    return [*(result for result, _ in judged), note_gain(average, best)[0]]


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m spectrogram_feature.combination",
        "Judge the average of several models' probabilities, beside each of them.\n\n"
        "Takes the predictions that cross-validation (cross_validation.npz; with the same folds)\n"
        "or a training (test_predictions.npz) has saved. All have the same weight: nothing is\n"
        "selected on the tracks that are scored. Writes leaderboard.csv and .png.",
        "  python -m spectrogram_feature.combination --out data/models/together \\\n"
        "      data/models/one_model/texture/cross_validation.npz \\\n"
        "      data/models/musicnn_one_model/musicnn/cross_validation.npz",
    )
    parser.add_argument("predictions", nargs="+", help="files of predictions, two or more")
    parser.add_argument("--out", required=True, help="folder for the leaderboard")
    arguments = parser.parse_args()
    if len(arguments.predictions) < 2:
        raise UserError("one model is no combination: name the predictions of two or more")
    results = combine(arguments.predictions)
    tracks = len(set(Predictions.load(arguments.predictions[0]).track_id))
    title = f"Models together: {tracks:,} tracks, 95 % intervals"
    print(text_leaderboard(write_leaderboard(results, arguments.out, title)))


if __name__ == "__main__":
    cli.run_command(main)
