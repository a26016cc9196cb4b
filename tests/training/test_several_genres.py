import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from several_genres_for_tests import write_several_genres

from common.evaluation.baselines import majority, svm
from common.evaluation.leaderboard import text_leaderboard
from common.evaluation.multilabel import evaluate, violations
from common.evaluation.predictions import Predictions, predict
from common.fma.labels import ancestors
from common.nn.blocks import HierarchicalSigmoid
from common.tables import read_table
from common.training.devices import accuracy
from common.training.model_files import load_model, read_card
from common.training.targets import genre_weights, with_targets
from spectrogram_feature import models, training
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_feature.import_features import generate

PARENTS = {"Punk": "Rock", "Hardcore": "Punk", "Freak-Folk": "Folk"}
GENRES = ("Folk", "Freak-Folk", "Rock", "Punk", "Hardcore")


@pytest.fixture(scope="module")
def records(tmp_path_factory, tf):
    folder = tmp_path_factory.mktemp("several")
    generate(write_several_genres(folder), folder / "all", labels="all", min_tracks=1, workers=1)
    return FeatureRecords.open(folder / "all")


def test_probabilities_are_products_over_the_ancestors():
    tree = ancestors(GENRES, PARENTS)
    logits = np.random.default_rng(0).normal(0, 3, (4, 5)).astype(np.float32)
    probability = np.asarray(HierarchicalSigmoid(tree.tolist())(logits))
    sigmoid = 1 / (1 + np.exp(-logits))
    expected = np.stack([sigmoid[:, own].prod(axis=1) for own in tree], axis=1)
    np.testing.assert_allclose(probability, expected, rtol=1e-5)


@given(st.lists(st.floats(-80, 80, width=32), min_size=5, max_size=5))
def test_no_genre_is_more_probable_than_its_parent(logits):
    layer = HierarchicalSigmoid(ancestors(GENRES, PARENTS).tolist())
    probability = np.asarray(layer(np.array([logits], np.float32)))[0]
    assert np.isfinite(probability).all()
    for genre, parent in PARENTS.items():
        assert probability[GENRES.index(genre)] <= probability[GENRES.index(parent)]


def test_targets_are_sets_and_weights_means_over_them(tf):
    genres_of = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1]], dtype=bool)
    features = np.arange(6, dtype=np.uint8).reshape(3, 2, 1)
    batches = tf.data.Dataset.from_tensors((features, np.array([2, 0, 1], np.int64)))
    weights = np.array([1, 2, 4], np.float32)
    [(_, target, weight)] = with_targets(batches, weights, genres_of=genres_of)
    np.testing.assert_array_equal(target, genres_of[[2, 0, 1]])
    np.testing.assert_allclose(weight, [3, 1, 1.5])


@pytest.mark.parametrize("seed", [0, 1])
def test_mixed_sets_are_means_of_two(tf, seed):
    genres_of = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]], dtype=bool)
    label = np.arange(8) % 4
    # The frames of a segment have the value of its label, so they tell the shares of a mixture.
    features = np.tile(label[:, None, None], (1, 10, 2)).astype(np.uint8)
    batches = tf.data.Dataset.from_tensors((features, label))
    [(mixed, target, weight)] = with_targets(
        batches, np.ones(3, np.float32), genres_of=genres_of, cutmix=1.0, seed=seed
    )
    shares = np.stack([(mixed.numpy()[:, :, 0] == i).mean(axis=1) for i in range(4)], axis=1)
    np.testing.assert_allclose(target, shares @ genres_of, atol=1e-6)
    np.testing.assert_allclose(weight, 1, rtol=1e-6)


def test_accuracy_is_the_share_whose_first_genre_is_theirs():
    metric = accuracy(several_genres=True)
    metric.update_state(
        np.array([[1.0, 1, 0], [0, 0, 1], [0, 1, 1]]),
        np.array([[0.2, 0.9, 0.1], [0.7, 0.1, 0.6], [0.3, 0.2, 0.8]]),
    )
    assert float(metric.result()) == pytest.approx(2 / 3)


@pytest.fixture(scope="module")
def trained(records, tmp_path_factory):
    """The command's folder, after it has trained on all genres."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [
            "training", "--records", str(records.folder), "--model", "texture", "--epochs", "30",
            "--batch-size", "8", "--augment", "none", "--balance", "weights", "--out", str(folder),
        ])  # fmt: skip
        training.main()
    return folder


def test_a_network_and_the_baselines_are_ranked_by_average_precision(trained):
    table = read_table(trained / "leaderboard.csv").set_index("model")
    assert list(table.index) == ["Genre frequencies", "SVM on bin statistics", "texture"]
    scores = table["macro_average_precision"]
    assert scores["Genre frequencies"] == table["macro_average_precision"].min()
    assert scores["texture"] > scores["Genre frequencies"] + 0.2
    assert scores["SVM on bin statistics"] > 0.9
    assert "Macro AP" in text_leaderboard(table.reset_index())
    assert (trained / "leaderboard.png").exists()


def test_a_saved_model_knows_its_tree_and_keeps_it(trained, records):
    model, card = load_model(trained / "model.keras")
    assert (card.labels, card.genres, card.parents) == ("all", GENRES, PARENTS)
    assert 0 < card.training["threshold"] < 1
    predictions = Predictions.load(trained / "test_predictions.npz")
    assert violations(predictions, PARENTS) == 0
    np.testing.assert_allclose(
        predict(model, records, "test").probability, predictions.probability, atol=1e-5
    )
    np.testing.assert_array_equal(predictions.targets, records.manifest.targets)
    text = (trained / "README.md").read_text()
    assert "| Hardcore | Punk |" in text
    assert "Macro AP" in text


@pytest.mark.parametrize("name", models.names_for("imported"))
def test_every_network_has_a_head_for_several_genres(records, name):
    model = training.build_model(records, name)
    assert model.output_shape == (None, len(GENRES))
    features, _ = records.some("training", 4)
    probability = np.asarray(model(features))
    assert ((probability > 0) & (probability < 1)).all()
    assert (probability[:, 3] <= probability[:, 2]).all()


def test_roots_need_no_new_records(records, tmp_path):
    roots = records.with_labels("roots")
    assert training.default_folder(roots, "cnn") != training.default_folder(records, "cnn")
    fitted = [fit(roots) for fit in (majority, svm)]
    frequencies, machine = (evaluate(predict(one.model, roots, "test")) for one in fitted)
    assert frequencies.macro_roc_auc.value == 0.5
    assert machine.macro_average_precision.value > frequencies.macro_average_precision.value


def test_cross_validation_of_several_genres(records, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [
        "training", "--records", str(records.folder), "--model", "texture", "--epochs", "1",
        "--batch-size", "8", "--folds", "3", "--labels", "roots", "--out", str(tmp_path),
    ])  # fmt: skip
    training.main()
    table = read_table(tmp_path / "leaderboard.csv")
    assert list(table["model"]) == ["Genre frequencies", "SVM on bin statistics", "texture"]
    assert "over SVM" in table["note"].iloc[-1]


def test_weights_are_larger_for_rare_genres(records):
    counts = records.manifest.counts("segments", "training")
    weights = genre_weights(counts, "weights")
    assert np.argmax(weights) == GENRES.index("Hardcore")


def test_the_card_of_one_genre_is_as_before(tmp_path, records):
    tops = records.with_labels("top")
    options = training.TrainingOptions(epochs=1, batch_size=8, augment="none")
    run = training.train_model(tops, "texture", folder=tmp_path, options=options)
    card = read_card(tmp_path / "model.keras")
    assert (card.labels, card.parents, card.genres) == ("top", {}, ("Folk", "Rock"))
    assert "threshold" not in card.training
    assert isinstance(run.model, keras.Model)
