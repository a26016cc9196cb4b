"""Models with several genres a track: predictions as text, exports, and what refuses them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from classifier_for_tests import card, save_small_model, small_model
from fma_for_tests import music

from common.errors import UserError
from common.fma.labels import ancestors
from common.paths import PROJECT_ROOT
from common.training.model_files import save_model
from spectrogram_feature import page, predict
from spectrogram_feature.export import SUFFIXES, export
from spectrogram_feature.inference.classifier import GenreClassifier, Prediction
from spectrogram_feature.inference.keras_model import KerasModel
from spectrogram_feature.inference.text import Table, as_bars, as_json

GENRES = ("Folk", "Freak-Folk", "Jazz", "Rock", "Metal", "Black Metal", "Punk")
PARENTS = {"Freak-Folk": "Folk", "Metal": "Rock", "Black Metal": "Metal", "Punk": "Rock"}
ANCESTORS = ancestors(GENRES, PARENTS).tolist()
THRESHOLD = 0.25
CARD = replace(
    card(),
    genres=GENRES,
    labels="all",
    parents=PARENTS,
    training={"threshold": THRESHOLD, "options": {}},
)

WITHOUT_TENSORFLOW = """
import sys
sys.modules |= dict.fromkeys(["tensorflow", "keras", "jax", "onnx"])  # an import fails
from spectrogram_feature import predict
predict.main()
"""


def prediction(*probability: float) -> Prediction:
    """Make a prediction of one segment, silence after it."""
    return Prediction(
        genres=GENRES,
        seconds=20,
        starts=np.array([0.0, 10.0]),
        edges=np.array([0.0, 10.0, 20.0]),
        weight=np.array([1.0, 0.0]),
        by_segment=np.array([probability, np.zeros(len(GENRES))]),
        parents=PARENTS,
    )


@pytest.fixture(scope="module")
def saved(tf, tmp_path_factory) -> Path:
    """Save a model as after its training, with loss and metrics."""
    from common.nn.blocks import HEAD, with_several_genres
    from common.training.options import TrainingOptions
    from common.training.train import compile_model

    model = with_several_genres(small_model(), ANCESTORS)
    random = np.random.default_rng(0)
    head = model.get_layer(HEAD)
    head.set_weights([random.normal(0, 2, weight.shape) for weight in head.get_weights()])
    compile_model(model, TrainingOptions(), 9, several_genres=True)
    path = tmp_path_factory.mktemp("model") / "model.keras"
    save_model(model, path, CARD)
    return path


@pytest.fixture(scope="module")
def trained(saved) -> KerasModel:
    return KerasModel.load(saved)


@pytest.fixture(scope="module")
def song(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "a.wav"
    soundfile.write(path, music(0, 4, 16_000), 16_000)
    return path


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory) -> Callable[[str], Path]:
    """Export the model in a format, once."""
    folder, made = tmp_path_factory.mktemp("exported"), {}

    def exported(form: str) -> Path:
        if form not in made:
            made[form] = folder / f"model{SUFFIXES[form]}"
            assert export(trained, made[form], form).difference < 1e-4
        return made[form]

    return exported


@pytest.fixture
def run(saved, song, monkeypatch, capsys) -> Callable[..., str]:
    def run(*arguments: object, model: Path = saved) -> str:
        options = [song, "--model", model, *arguments]
        monkeypatch.setattr(sys, "argv", ["predict", *map(str, options)])
        predict.main()
        return capsys.readouterr().out

    return run


# --- Text ----------------------------------------------------------------------------------------


def test_roots_are_followed_by_their_sub_genres_from_the_threshold_on():
    text = as_bars(Path("a"), prediction(0.2, 0.1, 0.3, 0.9, 0.5, 0.25, 0.2), 3, THRESHOLD)
    _, *rows = text.splitlines()
    assert [row.partition("%")[0] for row in rows] == [
        "  Rock             90.0 ",
        "    Metal          50.0 ",
        "      Black Metal  25.0 ",  # Punk is below the threshold
        "  Jazz             30.0 ",
        "  Folk             20.0 ",
    ]
    assert ["█" in row for row in rows] == [True, True, True, True, False]
    assert rows[-1].endswith("%  ░░░░░░")


def test_a_table_has_the_most_probable_sub_genre_of_a_root():
    table = Table([Path("a")], GENRES, 2, THRESHOLD)
    row = table.row(Path("a"), prediction(0.4, 0.1, 0.3, 0.9, 0.5, 0.25, 0.6))
    assert row.endswith("  Rock 90.0 % (Punk), Folk 40.0 %")


def test_json_has_the_tree_and_the_predicted_genres():
    probability = (0.4, 0.1, 0.3, 0.9, 0.5, 0.25, 0.6)
    line = json.loads(as_json(Path("a"), prediction(*probability), "m", "all", THRESHOLD))
    assert line["top"] == "Rock"
    assert list(line["genres"].values()) == list(probability)
    assert (line["labels"], line["parents"]) == ("all", PARENTS)
    assert line["threshold"] == THRESHOLD
    assert line["predicted"] == ["Folk", "Jazz", "Rock", "Metal", "Black Metal", "Punk"]
    one = json.loads(as_json(Path("a"), prediction(*probability), "m"))
    assert line.keys() - one.keys() == {"labels", "parents", "threshold", "predicted"}


def test_the_command_uses_the_threshold_of_the_card(run):
    line = json.loads(run("--json"))
    expected = [genre for genre, value in line["genres"].items() if value >= THRESHOLD]
    assert line["predicted"] == expected
    assert 0 < len(expected) < len(GENRES)
    assert all(line["genres"][sub] <= line["genres"][above] for sub, above in PARENTS.items())
    assert "Threshold: 25.0 %" in run()


def test_another_threshold_predicts_other_genres(run):
    assert json.loads(run("--json", "--threshold", 0))["predicted"] == list(GENRES)
    assert json.loads(run("--json", "--threshold", 1))["predicted"] == []
    _, told, _, *rows = run("--threshold", 0, "--top", 9).splitlines()
    assert told == "Threshold: 0.0 %"
    assert len(rows) == len(GENRES)


@pytest.mark.parametrize("value", ["-0.1", "1.5", "nan"])
def test_a_threshold_is_a_probability(run, value):
    with pytest.raises(UserError, match=f"--threshold {value}: a probability from 0 to 1 is"):
        run("--threshold", value)


def test_a_threshold_needs_several_genres(run, tmp_path):
    single = save_small_model(tmp_path)
    with pytest.raises(UserError, match=r"--threshold is for models of several genres a track"):
        run("--threshold", 0.5, model=single)


def test_roots_are_drawn_over_time(run, tmp_path, monkeypatch):
    from common.plotting import plots

    shown = {}
    drawn = plots.genres_over_time

    def spy(edges, probability, genres, *arguments, **options):
        shown.update(genres=genres, **options)
        return drawn(edges, probability, genres, *arguments, **options)

    monkeypatch.setattr(plots, "genres_over_time", spy)
    run("--plot", tmp_path / "a.png")
    assert (tmp_path / "a.png").exists()
    assert shown["genres"] == ["Folk", "Jazz", "Rock"]
    assert shown["threshold"] == THRESHOLD


# --- Exports -------------------------------------------------------------------------------------


def test_onnx_predicts_the_same_without_tensorflow(exported, run, song):
    command = [song, "--json", "--model", exported("onnx")]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *map(str, command)],
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours, theirs = json.loads(done.stdout), json.loads(run("--json"))
    for key in ("labels", "parents", "threshold", "predicted", "top"):
        assert ours[key] == theirs[key]
    found, expected = (list(line["genres"].values()) for line in (ours, theirs))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("form", SUFFIXES)
def test_exports_hold_labels_parents_and_threshold(exported, form):
    path = exported(form)
    if form == "saved_model":
        described = json.loads((path / "model.json").read_text())
    elif form == "onnx":
        import onnx

        metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    else:
        with zipfile.ZipFile(path) as archive:
            metadata = json.loads(archive.read("model.json"))
    if form != "saved_model":
        assert json.loads(metadata["parents"]) == PARENTS
        assert float(metadata["threshold"]) == THRESHOLD
        described = json.loads(metadata["card"])
    assert described["labels"] == "all"
    assert described["parents"] == PARENTS
    assert described["training"]["threshold"] == THRESHOLD


# --- The page ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["keras", "onnx"])
def test_the_page_refuses_several_genres(saved, exported, tmp_path, form):
    model = saved if form == "keras" else exported(form)
    with pytest.raises(UserError, match=r"predicts several genres a track, and the page shows one"):
        page.build(model, tmp_path / "page")
    assert list(tmp_path.iterdir()) == []


def test_models_of_one_genre_have_neither_parents_nor_threshold(tf):
    from spectrogram_feature.inference.file_metadata import describe

    assert not {"parents", "threshold"} & describe(KerasModel(small_model(), card())).keys()
    assert GenreClassifier(KerasModel(small_model(), card())).card.parents == {}
