"""The card of a trained model: ``README.md`` in its folder, in the format of model hubs.

The front matter is YAML, as the Hugging Face Hub reads it. M. Mitchell et al., "Model cards for
model reporting", FAT*, 2019.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from common.errors import UserError
from common.evaluation import metrics, multilabel
from common.evaluation.leaderboard import STATISTICS
from common.evaluation.metrics import Score, confusion
from common.evaluation.predictions import Predictions
from common.evaluation.scoring import evaluate
from common.fma.licences import describe_licence
from common.jobs.files import atomic_write
from common.text import format_duration, one_line
from common.training.model_files import MODEL_FILE, ModelCard, read_card

CARD = "README.md"

PREDICTIONS_FILE = "test_predictions.npz"
"""Predictions of the test split, in the folder of a training."""

_METRIC_TYPES = {
    "accuracy": "accuracy",
    "macro_f1": "f1",
    "average_precision": "average_precision",
    "roc_auc": "roc_auc",
}
"""Name of a score without its first word → type of model hubs."""

FEW = 20  # test tracks below which the scores of a genre are named as uncertain
MOST_NAMED = 16  # number of these genres from which on they are counted only

_SEVERAL_SCORES = (
    "AP is the average precision: macro the mean over genres, micro that of all pairs of a track "
    "and a genre. AP by chance is the expectation of a random ranking. R-precision is the share "
    "of true genres among the n most probable ones of a track of n genres, and LRAP the label "
    "ranking average precision."
)

_SYNTHETIC = "The training data are synthetic. Scores on them describe the software, not music."

_NO_LICENCE = (
    "Nobody has granted a licence for this model. Whether the licences of tracks apply to a model "
    "that was trained on them is not settled: clarify this before any use beyond research."
)


def write_model_card(folder: str | Path) -> None:
    """Write the card of the model in the folder of a training; without a model, write nothing.

    It has scores if the folder holds predictions of the test split.
    """
    folder = Path(folder)
    if not (folder / MODEL_FILE).exists():
        return
    card = read_card(folder / MODEL_FILE)
    text = model_card(card, read_predictions(folder))
    with atomic_write(folder / CARD) as file:
        file.write(text.encode())


def read_predictions(folder: Path) -> Predictions | None:
    """Read the predictions of the test split in the folder of a training, if there are any."""
    try:
        return Predictions.load(folder / PREDICTIONS_FILE)
    except UserError:
        return None


def summarise(card: ModelCard, predictions: Predictions | None) -> dict[str, Any]:
    """Summarise a model for JSON.

    The keys are ``title`` of the training data, ``synthetic``, ``license`` (an identifier of model
    hubs), ``license_text``, ``limits`` (sentences), and with predictions of the test split
    ``tracks`` (their number) and ``scores``: statistic → ``value``, ``low``, ``high``.
    """
    data_set = card.data_set
    identifier, text = describe_licence(data_set)
    summary = {
        "title": data_set.get("title", "unknown data"),
        "synthetic": bool(data_set.get("synthetic")),
        "license": identifier,
        "license_text": text if identifier == "mit" else f"{text} {_NO_LICENCE}",
        "limits": list(_limits(card, predictions)),
    }
    if weights := card.training.get("weights"):
        summary["license"] = "other"
        summary["license_text"] += f" The model contains {weights}."
    if predictions is None:
        return summary
    return summary | {
        "tracks": len(predictions.by_track().label),
        "scores": asdict(evaluate(predictions)),
    }


def _limits(card: ModelCard, predictions: Predictions | None) -> Iterable[str]:
    if card.data_set.get("synthetic"):
        yield _SYNTHETIC
    if ablation := card.training.get("ablation"):
        yield f"The model was trained only for comparison: {ablation}."
    if card.has_several_genres:
        yield (
            f"The model predicts probabilities of {len(card.genres)} genres for any recording, "
            "also for speech, noise and music of other genres."
        )
        yield "A genre that a track lacks in the training data may be missing by mistake."
    else:
        yield (
            f"The model chooses among {len(card.genres)} genres. It assigns one of them to any "
            "recording, also to speech, noise and music of other genres."
        )
        yield "A track has one genre in the training data. The limits between genres are not sharp."
    yield "The model was not evaluated on recordings of another collection."
    if predictions is None:
        yield "The model was not evaluated on the test split."
        return
    yield "Intervals exclude the variance between trainings, and treat tracks as independent."
    counts = _per_genre(card, predictions)["tracks"]
    few = [f"{genre} ({count})" for genre, count in counts.items() if count < FEW]
    if len(few) > MOST_NAMED:
        yield f"{len(few)} genres have fewer than {FEW} test tracks, and uncertain scores."
    elif few:
        yield f"Genres with fewer than {FEW} test tracks have uncertain scores: {', '.join(few)}."


def model_card(card: ModelCard, predictions: Predictions | None) -> str:
    """Write the card of a model in Markdown, with YAML front matter."""
    summary = summarise(card, predictions)
    front = yaml.safe_dump(_front_matter(card, summary), sort_keys=False, allow_unicode=True)
    sections = {
        "Use": _use(card),
        "Training data": _training_data(card, summary),
        "Training": _training(card),
        "Scores": _scores(card, summary, predictions),
        "Limits": "\n".join(f"- {limit}" for limit in summary["limits"]),
        "Licence": summary["license_text"],
        "Citation": _citation(card),
    }
    parts = [f"---\n{front}---", f"# {card.name}: genres of {summary['title']}"]
    parts += [f"> **Synthetic data.** {_SYNTHETIC}"] if summary["synthetic"] else []
    parts += [f"## {title}\n\n{text}" for title, text in sections.items()]
    return "\n\n".join(parts) + "\n"


def _front_matter(card: ModelCard, summary: dict[str, Any]) -> dict[str, Any]:
    slug = re.sub(r"[^a-z0-9]+", "-", summary["title"].lower()).strip("-")
    front: dict[str, Any] = {"license": summary["license"]}
    if summary["license"] == "other":
        front["license_name"] = "see-the-section-licence"
    front |= {
        "library_name": "keras",
        "pipeline_tag": "audio-classification",
        "tags": ["music", "music-genre-classification", card.name, card.kind],
        "datasets": [slug],
        "metrics": ["average_precision"] if card.has_several_genres else ["accuracy", "f1"],
    }
    if summary["synthetic"]:
        front["tags"].append("synthetic")
    if "scores" not in summary:
        return front
    task = {"type": "audio-classification", "name": "Music genre classification"}
    data = {"name": summary["title"], "type": slug, "split": "test"}
    metrics = [
        {
            "type": _METRIC_TYPES.get(name.partition("_")[2], name),
            "name": f"{heading} (95 % interval {score['low']:.3f} to {score['high']:.3f})",
            "value": round(score["value"], 4),
        }
        for name, score in summary["scores"].items()
        for heading in [STATISTICS[name]]
    ]
    results = [{"task": task, "dataset": data, "metrics": metrics}]
    return front | {"model-index": [{"name": card.name, "results": results}]}


def _use(card: ModelCard) -> str:
    text = (
        "Research on genre classification, and sorting of music like the training data. The model "
        f"maps {card.kind} features, uint8, to the probabilities of {len(card.genres)} genres: "
        f"{_nested(card)}."
    )
    if card.has_several_genres:
        text += (
            " Sub-genres are in parentheses. A track may have several genres, and a genre is at "
            "most as probable as its parent. "
            "A genre is predicted if its probability is at least "
            f"{card.training['threshold']:.2f}, the threshold of highest F1 on the validation "
            "split."
        )
    if "segment_seconds" not in card.parameters:  # the features are not computed by `predict`
        return text
    return f"""{text} A recording is cut into segments of {card.parameters["segment_seconds"]:g} s.

```
python -m spectrogram_feature.predict song.mp3 --model {MODEL_FILE}
python -m spectrogram_feature.export {MODEL_FILE} model.onnx --format onnx
```"""


def _nested(card: ModelCard, parent: str | None = None) -> str:
    """List the genres below a parent, or the root genres, each with its sub-genres."""
    own = [genre for genre in card.genres if card.parents.get(genre) == parent]
    below = {genre: _nested(card, genre) for genre in own}
    return ", ".join(f"{genre} ({inner})" if inner else genre for genre, inner in below.items())


def _training_data(card: ModelCard, summary: dict[str, Any]) -> str:
    tracks = card.training.get("tracks", {})
    counts = ", ".join(f"{count:,} {split}" for split, count in tracks.items())
    text = f"Data set: {summary['title']}, subset {card.data_set.get('subset', 'unknown')}"
    return f"{text}; tracks: {counts}." if counts else f"{text}."


def _training(card: ModelCard) -> str:
    training = card.training
    options = training.get("options", {})
    unused = ["label_smoothing"] if card.has_several_genres else []
    lines = [f"- {name}: {value}" for name, value in options.items() if name not in unused]
    if "best_epoch" in training:
        share = f"{100 * training['validation_accuracy']:.1f} %"
        accuracy = f"its validation accuracy on segments is {share}"
        if card.has_several_genres:
            accuracy = f"in {share} of the validation segments, its most probable genre is true"
        lines.insert(
            0,
            f"Epoch {training['best_epoch']} has the lowest validation loss; {accuracy}. Training "
            f"took {format_duration(training['seconds'])}. Options:\n",
        )
    return "\n".join(lines) or "Unknown."


def _per_genre(card: ModelCard, predictions: Predictions) -> pd.DataFrame:
    if card.has_several_genres:
        return multilabel.per_genre(predictions, card.parents)
    return metrics.per_genre(predictions)


def _scores(card: ModelCard, summary: dict[str, Any], predictions: Predictions | None) -> str:
    if predictions is None:
        return "The model was not evaluated on the test split."
    rows = [(STATISTICS[name], str(Score(**score))) for name, score in summary["scores"].items()]
    how = (
        f"{summary['tracks']:,} tracks of the test split, which neither training nor selection "
        "has used. Brackets are 95 % bootstrap intervals over tracks."
    )
    scores, table = _table(("statistic", "score"), rows), _per_genre(card, predictions)
    if card.has_several_genres:
        by_genre = [
            (genre, row["parent"], _interval(row), _percent(row["chance"]),
             _percent(row["roc_auc"]), f"{row['tracks']:,}")
            for genre, row in table.iterrows()
        ]  # fmt: skip
        header = ("genre", "parent", "AP", "AP by chance", "ROC AUC", "tracks")
        return "\n\n".join((how, scores, _SEVERAL_SCORES, _table(header, by_genre)))
    by_genre = [
        (genre, *map(_percent, row), f"{count:.0f}")
        for genre, (*row, count) in zip(table.index, table.to_numpy(), strict=True)
    ]
    counts = confusion(predictions)
    most = counts.sum(axis=1)
    confused = [
        (genre, *map(str, row)) for genre, row in zip(counts.index, counts.to_numpy(), strict=True)
    ]
    return "\n\n".join(
        (
            f"{how} Always predicting {most.idxmax()}, the most frequent genre of the test split, "
            f"has an accuracy of {100 * most.max() / most.sum():.1f} %.",
            scores,
            _table(("genre", "precision", "recall", "F1", "tracks"), by_genre),
            "### Confusion\n\nTest tracks by true genre (rows) and predicted genre (columns).",
            _table(("", *counts.columns), confused),
        )
    )


def _interval(row: pd.Series) -> str:
    low, high = row["average_precision_low"], row["average_precision_high"]
    text = _percent(row["average_precision"])
    return f"{text} [{100 * low:.0f}, {100 * high:.0f}]" if low == low else text


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if value == value else "–"


def _citation(card: ModelCard) -> str:
    version = card.versions.get("fma-genre-research", "unknown")
    lines = [f"- This software, fma-genre-research {version}: its CITATION.cff."]
    if not card.data_set.get("synthetic"):
        lines.append(
            "- The data; for the FMA: M. Defferrard, K. Benzi, P. Vandergheynst and X. Bresson, "
            '"FMA: A Dataset for Music Analysis", ISMIR, 2017, arXiv:1612.01840.'
        )
    return "\n".join(lines)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    escaped = [[one_line(cell).replace("|", "\\|") for cell in row] for row in rows]
    lines = [header, ("---",) * len(header), *escaped]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
