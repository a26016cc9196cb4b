"""The card of a trained model: front matter that model hubs read, and what the text tells."""

from __future__ import annotations

import zipfile
from dataclasses import asdict, replace
from json import dumps

import numpy as np
import pytest
import yaml

from common.evaluation.metrics import evaluate
from common.evaluation.model_card import (
    CARD,
    MOST_NAMED,
    PREDICTIONS_FILE,
    model_card,
    summarise,
    write_model_card,
)
from common.evaluation.multilabel import evaluate as evaluate_several
from common.evaluation.predictions import Predictions
from common.training.model_files import MODEL_FILE, ModelCard

GENRES = ("Folk", "Jazz | Blues", "Rock")

MODEL = ModelCard(
    name="texture",
    kind="constant-q",
    parameters={"segment_seconds": 10.0},
    genres=GENRES,
    data_set={
        "title": "FMA medium",
        "subset": "medium",
        "synthetic": False,
        "licences": {
            "Attribution-NonCommercial-NoDerivs 3.0": 60,
            "Attribution-Noncommercial 3.0": 30,
            "Attribution": 9,
        },
    },
    training={
        "options": {"epochs": 5},
        "best_epoch": 3,
        "seconds": 80,
        "validation_accuracy": 0.5,
        "tracks": {"training": 99, "test": 40},
    },
    versions={"fma-genre-research": "0.1.0"},
)


@pytest.fixture(scope="module")
def predictions() -> Predictions:
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1, 2, 2], 10)
    probability = rng.dirichlet(np.ones(3), size=40) + np.eye(3)[label]
    return Predictions(np.arange(40), label, probability / 2, GENRES)


def front_matter(text: str) -> dict:
    _, front, _ = text.split("---\n", 2)
    return yaml.safe_load(front)


def test_the_front_matter_has_licence_tags_data_set_and_scores(predictions):
    front = front_matter(model_card(MODEL, predictions))
    assert front["license"] == "other"
    assert front["license_name"]
    assert front["pipeline_tag"] == "audio-classification"
    assert {"music", "texture"} <= set(front["tags"])
    assert front["datasets"] == ["fma-medium"]
    [model] = front["model-index"]
    [result] = model["results"]
    assert result["dataset"]["name"] == "FMA medium"
    scores = evaluate(predictions)
    accuracy = result["metrics"][0]
    assert accuracy["type"] == "accuracy"
    assert accuracy["value"] == pytest.approx(scores.track_accuracy.value, abs=1e-4)
    assert f"{scores.track_accuracy.low:.3f}" in accuracy["name"]


def test_the_text_has_scores_confusion_limits_and_licences(predictions):
    text = model_card(MODEL, predictions)
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}
    assert list(sections) == [
        "Use",
        "Training data",
        "Training",
        "Scores",
        "Limits",
        "Licence",
        "Citation",
    ]
    assert str(evaluate(predictions).track_accuracy) in sections["Scores"]
    assert "Always predicting Rock" in sections["Scores"]
    assert "50.0 %" in sections["Scores"]
    assert r"Jazz \| Blues" in sections["Scores"]  # a table's cell
    assert "Folk (10)" in sections["Limits"]
    assert "99 training tracks" in sections["Licence"]
    assert "90 of them exclude commercial use, and 60 exclude derivatives" in sections["Licence"]
    assert "Nobody has granted a licence for this model" in sections["Licence"]
    assert "99 training, 40 test" in sections["Training data"]
    assert "1 min 20 s" in sections["Training"]
    assert "arXiv:1612.01840" in sections["Citation"]
    assert "synthetic" not in text.lower()


def test_synthetic_data_are_called_so(predictions):
    demo = {"title": "the synthetic demo set", "subset": "medium", "synthetic": True}
    text = model_card(replace(MODEL, data_set=demo), predictions)
    assert "> **Synthetic data.**" in text
    assert "synthetic" in front_matter(text)["tags"]
    assert front_matter(text)["license"] == "mit"


def test_what_is_unknown_is_called_so():
    unknown = replace(MODEL, data_set={}, training={"weights": "some weights"})
    summary = summarise(unknown, None)
    assert summary["license"] == "other"
    assert "name no licence" in summary["license_text"]
    assert "contains some weights" in summary["license_text"]
    assert "scores" not in summary
    assert summarise(replace(unknown, training={}), None)["license"] == "unknown"
    text = model_card(unknown, None)
    assert "model-index" not in front_matter(text)
    assert "not evaluated on the test split" in text


def test_the_card_is_written_beside_the_model(predictions, tmp_path):
    write_model_card(tmp_path)
    assert not (tmp_path / CARD).exists()  # no model
    with zipfile.ZipFile(tmp_path / MODEL_FILE, "w") as archive:
        archive.writestr("genre_classifier.json", dumps(asdict(MODEL)))
    write_model_card(tmp_path)
    assert (tmp_path / CARD).read_text() == model_card(MODEL, None)
    predictions.save(tmp_path / PREDICTIONS_FILE)
    write_model_card(tmp_path)
    assert (tmp_path / CARD).read_text() == model_card(MODEL, predictions)


def test_several_genres_are_described():
    genres = ("Folk", "Freak-Folk", "Jazz | Blues", "Rock")
    training = MODEL.training | {
        "threshold": 0.274,
        "options": {"epochs": 5, "label_smoothing": 0.1},
    }
    parents = {"Freak-Folk": "Folk"}
    card = replace(MODEL, genres=genres, labels="all", parents=parents, training=training)
    targets = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1]], dtype=bool)
    label = np.arange(60) % 3
    probability = np.random.default_rng(0).uniform(0, 1, (60, 4))
    predictions = Predictions(np.arange(60), label, probability, genres, targets)
    text = model_card(card, predictions)
    assert "Folk (Freak-Folk), Jazz | Blues, Rock." in text
    assert "A genre is predicted if its probability is at least 0.27, " in text
    assert "label_smoothing" not in text  # has no effect
    assert "in 50.0 % of the validation segments, its most probable genre is true" in text
    assert "Always predicting" not in text
    assert "| Freak-Folk | Folk | " in text
    assert "AP is the average precision" in text
    scores = evaluate_several(predictions)
    assert str(scores.macro_average_precision) in text
    kinds = [one["type"] for one in front_matter(text)["model-index"][0]["results"][0]["metrics"]]
    assert kinds[:3] == ["average_precision", "average_precision", "roc_auc"]


def test_many_uncertain_genres_are_counted():
    genres = tuple(f"genre {number}" for number in range(MOST_NAMED + 1))
    label = np.arange(len(genres))
    predictions = Predictions(label, label, np.eye(len(genres)), genres)
    *_, limit = summarise(replace(MODEL, genres=genres), predictions)["limits"]
    assert limit == f"{len(genres)} genres have fewer than 20 test tracks, and uncertain scores."
