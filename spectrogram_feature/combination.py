"""Models of different features together: the average of what they say of the same tracks.

A network on constant-Q features and one on musicnn's embedding err about different tracks, as far
as they hear different things. What their average is worth is measured here, on predictions that
cross-validation or a training has left.
"""

from __future__ import annotations

from pathlib import Path

from common import cli
from common.errors import UserError
from common.evaluation.leaderboard import Result, text_leaderboard
from common.evaluation.metrics import evaluate
from common.evaluation.predictions import Predictions
from common.training import runs
from spectrogram_feature.cross_validation import Judged, average_models, note_gain


def read_judged(path: str | Path) -> Judged:
    """Read what a model said, and judge it; its row is called like the folder that it is in."""
    predictions = Predictions.load(path)
    return Result(Path(path).resolve().parent.name, evaluate(predictions), None, None), predictions


def combine(judged: list[Judged]) -> list[Result]:
    """Judge some models and their average.

    Parameters
    ----------
    judged : list of (Result, Predictions)
        Of the same tracks.

    Returns
    -------
    list of Result
        Their rows, then the average's, with what it gains over the most accurate of them.

    Raises
    ------
    UserError
        If they are of different tracks or genres.
    """
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
        "Takes what cross-validation has left of each (cross_validation.npz; with the same folds)\n"
        "or a training (test_predictions.npz). All weigh the same: nothing is chosen, and so\n"
        "nothing on what is scored. Writes leaderboard.csv and .png.",
        "  python -m spectrogram_feature.combination --out data/models/together \\\n"
        "      data/models/one_model/texture/cross_validation.npz \\\n"
        "      data/models/musicnn_one_model/musicnn/cross_validation.npz",
    )
    parser.add_argument("predictions", nargs="+", help="files of predictions, two or more")
    parser.add_argument("--out", required=True, help="folder for the leaderboard")
    arguments = parser.parse_args()
    if len(arguments.predictions) < 2:
        raise UserError("one model is no combination: name the predictions of two or more")
    judged = [read_judged(path) for path in arguments.predictions]
    title = f"Models together: {len(set(judged[0][1].track_id)):,} tracks, 95 % intervals"
    print(text_leaderboard(runs.write_leaderboard(combine(judged), arguments.out, title)))


if __name__ == "__main__":
    cli.run_command(main)
