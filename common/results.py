"""What the last run came to: where its results lie, and how accurate its models are."""

from __future__ import annotations

import pandas as pd

from common import cli
from common.errors import UserError
from common.evaluation.leaderboard import LEADERBOARD_FILE, text_leaderboard
from common.fma.dataset import find_dataset
from common.paths import display_path, output_root


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m common.results",
        "Print the leaderboards of the models that were trained on the current data set.",
        "  python -m common.results\n  FMA_ROOT=/music/fma python -m common.results",
    )
    parser.parse_args()
    dataset = find_dataset()
    tables = sorted(output_root().glob(f"models/{dataset.name}-*/**/{LEADERBOARD_FILE}"))
    if not tables:
        raise UserError(
            f"no model has been judged on {dataset.title} yet: make run, or "
            "python -m spectrogram_feature.training --help"
        )
    print(dataset.notice)
    for path in tables:
        print(f"\n{display_path(path.parent)}\n{text_leaderboard(pd.read_csv(path))}")


if __name__ == "__main__":
    cli.run_command(main)
