"""Which model commands use when none is named, and the reason they give."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from classifier_for_tests import PARAMETERS, card, save_small_model, small_model
from fma_for_tests import music

from common.errors import UserError
from common.training.model_files import save_model
from spectrogram_feature.inference.default_model import choose_model, default_model, find_model


@pytest.fixture(scope="module")
def saved(tf, tmp_path_factory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def models(saved, tmp_path, monkeypatch) -> Path:
    """Four models, from the newest to the oldest: an ablation, of images, new, old."""
    monkeypatch.setenv("FMA_OUTPUT", str(tmp_path))
    folder = tmp_path / "models" / "records"
    described = card()
    cards = {
        "ablation": replace(described, training={"ablation": "no label smoothing"}),
        "images": card(kind="image"),
        "new": described,
        "old": described,
    }
    for age, (name, one) in enumerate(cards.items()):
        (folder / name).mkdir(parents=True)
        save_model(small_model(), folder / name / "model.keras", one)
        os.utime(folder / name / "model.keras", (1e9 - age, 1e9 - age))
    return folder


def test_the_newest_model_that_is_no_ablation_is_the_default(models):
    assert default_model() == (
        models / "new" / "model.keras",
        "the newest model that is no ablation",
    )
    assert find_model() == models / "new" / "model.keras"


def test_the_model_that_was_chosen_is_the_default(models):
    choose_model(models / "old", "71 % on validation")
    path, reason = default_model()
    assert path == models / "old" / "model.keras"
    assert reason == "chosen in Training.ipynb: 71 % on validation"
    choose_model(models / "ablation", "one may choose any")
    assert default_model()[0].parent.name == "ablation"


def test_a_chosen_model_outside_the_folder_of_models_is_found(saved, models):
    choose_model(saved.parent, "elsewhere")
    assert default_model()[0] == saved


def test_a_chosen_model_that_is_gone_is_named(models):
    choose_model(models / "old", "71 % on validation")
    (models / "old" / "model.keras").unlink()
    path, reason = default_model()
    assert path == models / "new" / "model.keras"
    assert reason.startswith("the newest model that is no ablation; the chosen one, ")
    assert "old" in reason


def test_an_ablation_is_better_than_nothing(models):
    for name in ("new", "old"):
        (models / name / "model.keras").unlink()
    path, reason = default_model()
    assert (path.parent.name, reason) == ("ablation", "the newest model, an ablation")


@pytest.mark.parametrize("content", ["", "[]", "null", "[" * 100_000])
def test_a_damaged_choice_is_one_line(models, content):
    choice = models.parent / "chosen.json"
    choice.write_text(content)
    with pytest.raises(UserError, match=r"chosen\.json is damaged: delete it"):
        default_model()


def test_an_ablation_says_so_in_its_card(tf, tiny_records, tmp_path):
    from common.training.model_files import read_card
    from common.training.options import TrainingOptions
    from spectrogram_feature.features.records import FeatureRecords
    from spectrogram_feature.training import train_model

    records, options = FeatureRecords.open(tiny_records), TrainingOptions(epochs=1, batch_size=8)
    how = {"folder": tmp_path, "options": options, "width": 8}
    for changes, expected in (({}, None), ({"ablation": "narrow"}, "narrow")):
        train_model(records, "texture", **how, **changes)
        assert read_card(tmp_path / "model.keras").training.get("ablation") == expected


def test_predict_says_which_model_it_takes_and_why(models, tmp_path, monkeypatch, capsys):
    from spectrogram_feature import predict

    song = tmp_path / "song.wav"
    soundfile.write(song, music(0, 3, PARAMETERS.sample_rate), PARAMETERS.sample_rate)
    choose_model(models / "old", "71 % on validation")
    monkeypatch.setattr(sys, "argv", ["predict", str(song)])
    predict.main()
    [first, *_] = capsys.readouterr().out.splitlines()
    assert first.endswith("old/model.keras (chosen in Training.ipynb: 71 % on validation)")
