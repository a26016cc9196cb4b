"""Models of different features together."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from common.errors import UserError
from common.evaluation.predictions import Predictions
from spectrogram_feature import combination

GENRES = ("a", "b")


def save(folder: Path, tracks: list[int], of_a: list[float]) -> Path:
    """Write what a model said of tracks of which the even ones are of genre a."""
    path = folder / "cross_validation.npz"
    path.parent.mkdir()
    probability = np.stack([of_a, 1 - np.array(of_a)], axis=1)
    Predictions(tracks, np.array(tracks) % 2, probability, GENRES).save(path)
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["combination", *map(str, arguments)])
    combination.main()


def test_the_average_is_right_where_the_surer_model_is(tmp_path, monkeypatch, capsys):
    # Each is unsure, and wrong, about one track, of which the other is sure.
    one = save(tmp_path / "one", [0, 1, 2, 3], [0.4, 0.1, 0.9, 0.1])
    two = save(tmp_path / "two", [3, 2, 1, 0], [0.6, 0.9, 0.1, 0.9])
    run(monkeypatch, one, two, "--out", tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "leaderboard.csv").set_index("model")
    assert table["track_accuracy"].to_dict() == {
        "average of these 2": 1.0,
        "one": 0.75,
        "two": 0.75,
    }
    assert table.loc["average of these 2", "note"].startswith("+25.0 points [")
    assert table.loc["average of these 2", "note"].endswith("over one")
    assert table["parameters"].isna().all()
    assert "average of these 2" in capsys.readouterr().out


def test_other_tracks_do_not_combine(tmp_path, monkeypatch):
    one, two = save(tmp_path / "one", [0], [0.4]), save(tmp_path / "two", [2], [0.4])
    with pytest.raises(UserError, match=r"same segments.*same tracks, folds and genres"):
        run(monkeypatch, one, two, "--out", tmp_path / "out")


def test_one_model_is_no_combination(tmp_path, monkeypatch):
    one = save(tmp_path / "one", [0], [0.4])
    with pytest.raises(UserError, match="an average needs two models"):
        run(monkeypatch, one, "--out", tmp_path / "out")
