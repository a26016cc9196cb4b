"""Few labels per genre: linear probes on representations of real music.

The networks of `measure.py`, trained on FMA small, represent excerpts of another data set. Their
input is computed as the pictures of FMA small were. A probe is trained on a few tracks per genre,
drawn outside a fold by artist, and evaluated on the fold.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from common import cli
from common.evaluation.baselines import bin_statistics
from common.evaluation.cross_validation import Fold, make_folds
from common.evaluation.metrics import Score, bootstrap, ratio
from common.fma.dataset import Dataset, find_dataset, get_audio_path
from common.quiet import import_tensorflow
from common.records.segments import Segments
from common.tables import write_table
from richer_statistics import richer_statistics
from rows import ENDS, HERE, curve_figure, flat, save_figure
from spectrogram_feature.features.records import FeatureRecords
from study import SEEDS

SIDE = 128  # mel bands, and frames kept of a clip
DECIBELS = 80.0
LABELS = (1, 2, 5, 10, 20)
"""Labelled tracks per genre."""

ALL = 1000  # more than a genre has: all tracks outside a fold

DRAWS, FOLDS = 20, 5
REGULARISATION = 0.1  # C of the logistic regression


def mel_picture(path: Path) -> np.ndarray:
    """Compute the levels of a clip as those of the pictures of FMA small, uint8 (128, 128).

    Power of 128 mel bands up to half the native sample rate, in decibels below the maximum of the
    clip, at 128 frames from the first to the last, time first.
    """
    import librosa

    samples, rate = librosa.load(path, sr=None, duration=30)
    power = librosa.feature.melspectrogram(y=samples, sr=rate, n_mels=SIDE)
    level = librosa.power_to_db(power, ref=np.max, top_db=DECIBELS)
    frames = np.linspace(0, level.shape[1] - 1, SIDE).round().astype(int)
    return np.round((1 + level[:, frames].T / DECIBELS) * 255).astype(np.uint8)


def representations(
    dataset: Dataset, records: FeatureRecords, tracks: np.ndarray, models: Path
) -> dict[str, list[np.ndarray]]:
    """Represent tracks as vectors (tracks, n): name → one array, or one for each seed."""
    import keras

    from common.training.model_files import load_model
    from spectrogram_feature import models as networks

    pictures = np.stack([mel_picture(get_audio_path(dataset.audio_dir, t)) for t in tracks])

    def embed(folder: Path) -> np.ndarray:
        model, _ = load_model(folder / "model.keras")
        head = model.get_layer("genres")
        return keras.Model(model.inputs, head.input).predict(pictures, verbose=0)

    musicnn = Segments.read(networks.find("musicnn").prepare(records))
    means = [musicnn.features[musicnn.track_id == track].mean(axis=0) for track in tracks]
    return {
        "row statistics": [bin_statistics(pictures)],
        "richer statistics": [richer_statistics(pictures)],
        "crnn trained on FMA small": [embed(models / "crnn" / f"seed-{s}") for s in range(SEEDS)],
        "musicnn, 200,000 songs": [np.stack(means)],
    }


def draws(label: np.ndarray, outside: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Draw the rows of ``count`` tracks per genre among those outside a fold, `DRAWS` times."""
    rng = np.random.default_rng(count)
    for _ in range(DRAWS):
        chosen = [
            rng.permutation(np.flatnonzero(outside & (label == genre)))[:count]
            for genre in np.unique(label)
        ]
        yield np.concatenate(chosen)


def share_correct(
    vectors: np.ndarray, label: np.ndarray, tracks: np.ndarray, folds: list[Fold], count: int
) -> np.ndarray:
    """Return the share of probes that predict the genre of each track (tracks,)."""
    correct = np.zeros(len(label))
    for fold in folds:
        inside = np.isin(tracks, fold.test)
        scaled = StandardScaler().fit(vectors[~inside]).transform(vectors)  # needs no labels
        for rows in draws(label, ~inside, count):
            probe = LogisticRegression(C=REGULARISATION, max_iter=1000)
            probe.fit(scaled[rows], label[rows])
            correct[inside] += probe.predict(scaled[inside]) == label[inside]
    return correct / DRAWS


def measure(
    vectors: Mapping[str, list[np.ndarray]],
    label: np.ndarray,
    tracks: np.ndarray,
    folds: list[Fold],
) -> pd.DataFrame:
    """Tabulate the accuracy of probes by representation and number of labels."""

    def score(variants: list[np.ndarray], count: int) -> Score:
        shares = [share_correct(one, label, tracks, folds, count) for one in variants]
        return bootstrap(np.stack([np.mean(shares, axis=0), np.ones(len(label))], axis=1), ratio)

    return pd.DataFrame(
        {
            "representation": name,
            **{
                key: value
                for count in (*LABELS, ALL)
                for key, value in flat(f"labels_{count}", score(variants, count)).items()
            },
        }
        for name, variants in vectors.items()
    )


def draw(table: pd.DataFrame, title: str) -> plt.Figure:
    """Show the accuracy by the number of labels."""
    curves = {
        row["representation"]: pd.DataFrame(
            {name: [row[f"labels_{n}{end}"] for n in LABELS] for end, name in ENDS.items()}, LABELS
        )
        for _, row in table.iterrows()
    }
    return curve_figure(curves, title=title, xlabel="Labelled tracks per genre")


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python results/fma_small/few_labels.py",
        "Measure linear probes with few labels per genre on a data set in FMA's layout, and write\n"
        "few_labels.csv and .png. Needs the trainings of measure.py, and log-mel records of the\n"
        "same tracks for musicnn (make pretrained). About five minutes on 2 cores.",
        "  python results/fma_small/few_labels.py real_music data/records/real-log-mel \\\n"
        "      data/rendered/models/fma-small",
    )
    parser.add_argument("data", help="root of the data set")
    parser.add_argument("records", type=Path, help="log-mel records of the data set")
    parser.add_argument("models", type=Path, help="folder of the trainings of measure.py")
    arguments: argparse.Namespace = parser.parse_args()
    import_tensorflow()

    records = FeatureRecords.open(arguments.records, "log-mel")
    plan = records.plan().sort_index()
    tracks, label = plan.index.to_numpy(), plan["label"].to_numpy()
    dataset = find_dataset(arguments.data)
    vectors = representations(dataset, records, tracks, arguments.models)
    table = measure(vectors, label, tracks, make_folds(plan, FOLDS))
    write_table(HERE / "few_labels.csv", table)
    save_figure(
        draw(table, f"Linear probes with few labels, {len(tracks)} excerpts"), "few_labels.png"
    )


if __name__ == "__main__":
    cli.run_command(main)
