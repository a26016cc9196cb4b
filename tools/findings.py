"""Sentences and accuracies of the report's front page, computed from the CSV files of results."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from common.evaluation.leaderboard import LEADERBOARD_FILE
from common.evaluation.metrics import Difference, Score
from common.tables import read_table

_GAIN = r"([+-][\d.]+) points \[([+-][\d.]+), ([+-][\d.]+)\] over "
"""A `Difference` in a leaderboard's note, before the name of a baseline."""

_REAL_MUSIC = {
    "one_model": "{}",
    "four_members": "{}, mean of four",
    "musicnn_one_model": "{}, pretrained",
}
"""Folder of a leaderboard → name of its models in the figure."""


def relation(difference: Score) -> str:
    """Compare two accuracies in words, by the interval of their difference."""
    if difference.low > 0:
        return "more accurate than"
    return "less accurate than" if difference.high < 0 else "not significantly different from"


def answers(results: Path) -> list[str]:
    """Answer the question of the front page in five sentences of Markdown."""
    small, real = results / "fma_small", results / "real_music"
    models = read_table(small / "models.csv")
    return [
        compare_on_test(models, read_table(small / "cross_validation.csv")),
        compare_in_folds(*(_leaderboard(real, name) for name in ("one_model", "four_members"))),
        rank_genres(read_table(small / "per_genre.csv")),
        compare_splits(models, read_table(small / "frequent_artist.csv")),
        compare_edges(read_table(small / "low_pass.csv"), models),
    ]


def compare_on_test(models: pd.DataFrame, cross_validation: pd.DataFrame) -> str:
    """Compare the network of cross-validation and the best average with the SVM on the test split.

    The average is the best on the validation split.
    """
    judged = _best(cross_validation, "accuracy")
    chosen = models[models["model"] == judged["model"]].iloc[0]
    gain = _gain_on_test(chosen)
    includes = "includes" if gain.low <= 0 <= gain.high else "excludes"
    return (
        f"**FMA small.** The network chosen by cross-validation (`{chosen['model']}`, there "
        f"{_text(_gain_on_test(judged))} over the SVM) reaches {_text(_score(chosen))} on the test "
        f"split and is {relation(gain)} the SVM ({_text(_score(_svm(models)))}): the paired "
        f"difference is {_text(gain)}, an interval that {includes} zero."
        f"{_average_on_test(models)}"
    )


def _average_on_test(models: pd.DataFrame) -> str:
    averages = models[models["model"].str.startswith("average")]
    if averages.empty:
        return ""
    best = averages.loc[averages["validation_accuracy"].idxmax()]
    gain = _gain_on_test(best)
    return (
        f" The best average on validation ({best['model'].removeprefix('average of ')}, "
        f"{_text(_score(best))}) is {relation(gain)} the SVM: {_text(gain)}."
    )


def compare_in_folds(single: pd.DataFrame, averaged: pd.DataFrame) -> str:
    """Compare the most accurate networks in cross-validation with the SVM of their leaderboard."""
    phrases = []
    for table, kind in ((single, "network"), (averaged, "mean of four networks")):
        best, svm = _best(table, "track_accuracy"), _svm(table)
        gain = _gain_in_note(best["note"], svm["model"])
        phrases.append(
            f"the most accurate {kind} (`{best['model']}`, {_percent(best['track_accuracy'])}) is "
            f"{relation(gain)} the SVM ({_percent(svm['track_accuracy'])}): {_text(gain)}"
        )
    return f"**Real music.** In cross-validation by artist, {'; '.join(phrases)}."


def rank_genres(per_genre: pd.DataFrame) -> str:
    """Name the two genres with the highest and the two with the lowest F1 on FMA small."""
    ranked = per_genre.sort_values("f1", ascending=False)
    named = [f"{row.genre} ({_percent(row.f1)})" for row in ranked.itertuples()]
    return (
        f"**Genres of FMA small.** The F1 of the chosen network is highest for "
        f"{named[0]} and {named[1]}, and lowest for {named[-1]} and {named[-2]}."
    )


def compare_splits(models: pd.DataFrame, artist: pd.DataFrame) -> str:
    """Compare the accuracies on the validation and test splits of FMA small.

    ``artist`` has the accuracies without the most frequent artist of the test split.
    """
    networks, svm = models[_is_network(models)], _svm(models)
    changes = 100 * (networks["test_accuracy"] - networks["validation_accuracy"])
    change = 100 * (svm["test_accuracy"] - svm["validation_accuracy"])
    best = _best(artist, "test_accuracy")
    return (
        f"**Validation and test.** From validation to test, the accuracy changes by "
        f"{changes.min():+.1f} to {changes.max():+.1f} points for the networks and by "
        f"{change:+.1f} points for the SVM. {best['artist']}, an artist of the test split alone, "
        f"has {best['tracks_of_artist']} of its tracks: `{best['model']}` predicts "
        f"{_percent(best['of_artist'])} of them, and {_percent(best['without_artist'])} of the "
        "others."
    )


def compare_edges(low_pass: pd.DataFrame, models: pd.DataFrame) -> str:
    """Compare the low-pass edge with chance, and the SVM with one on the bins below the edge."""
    edge = _score(low_pass[low_pass["model"].str.startswith("low-pass edge")].iloc[0])
    chance = models.loc[models["model"] == "Majority class", "test_accuracy"].item()
    over_chance = Score(edge.value - chance, edge.low - chance, edge.high - chance)
    names = low_pass["model"]
    lower = low_pass[names.str.startswith("SVM") & names.str.contains("lower")].iloc[0]
    gain = _gain_on_test(lower)
    return (
        f"**MP3 encoding.** A classifier on the low-pass edge of the encoder alone "
        f"({_text(edge)}) is {relation(over_chance)} the majority class ({_percent(chance)}), and "
        f"the SVM on the bins below the edge ({_text(_score(lower))}) is {relation(gain)} the SVM "
        f"on all bins ({_text(_score(_svm(low_pass)))}): {_text(gain)}."
    )


def describe_test(results: Path) -> str:
    """Count the test tracks of FMA small, and the networks that are above and below the SVM."""
    models = read_table(results / "fma_small" / "models.csv")
    tracks = read_table(results / "fma_small" / "per_genre.csv")["tracks"].sum()
    networks = models[_is_network(models)]
    relations = [relation(_gain_on_test(row)) for _, row in networks.iterrows()]
    more, less = relations.count("more accurate than"), relations.count("less accurate than")
    return (
        f"{tracks:.0f} tracks. Networks more accurate than the SVM, by the paired intervals: "
        f"{more} of {len(relations)}; less accurate: {less}."
    )


def accuracies(results: Path) -> dict[str, pd.DataFrame]:
    """Collect the accuracies of all models for `tools.pictures.accuracy_figure`, by data set.

    They are those of the test split of FMA small, and the out-of-fold ones of real music, where the
    baselines are those of single networks.
    """
    small = _accuracies(read_table(results / "fma_small" / "models.csv"), "test_accuracy")
    real = [
        _accuracies(_leaderboard(results / "real_music", name), "track_accuracy", title)
        for name, title in _REAL_MUSIC.items()
    ]
    networks = [table[~table["is_baseline"]] for table in real[1:]]
    return {"FMA small": small, "Real music": pd.concat([real[0], *networks])}


def _accuracies(table: pd.DataFrame, column: str, title: str = "{}") -> pd.DataFrame:
    names = {f"{column}{end}": f"accuracy{end}" for end in ("", "_low", "_high")}
    models = table["model"].map(title.format)
    chosen = table[[*names]].rename(columns=names)
    return chosen.assign(model=models, is_baseline=_is_baseline(table))


def _leaderboard(folder: Path, name: str) -> pd.DataFrame:
    return read_table(folder / name / LEADERBOARD_FILE)


def _is_baseline(table: pd.DataFrame) -> pd.Series:
    return table["model"].str.startswith(("Majority", "SVM"))


def _is_network(table: pd.DataFrame) -> pd.Series:
    """Select single networks: neither baselines nor averages of several models."""
    return ~_is_baseline(table) & ~table["model"].str.startswith("average")


def _best(table: pd.DataFrame, column: str) -> pd.Series:
    """Return the row of the best single network."""
    return table.loc[table[_is_network(table)][column].idxmax()]


def _svm(table: pd.DataFrame) -> pd.Series:
    """Return the first row of an SVM."""
    return table[table["model"].str.startswith("SVM")].iloc[0]


def _score(row: pd.Series, column: str = "test_accuracy") -> Score:
    return Score(row[column], row[f"{column}_low"], row[f"{column}_high"])


def _gain_on_test(row: pd.Series) -> Difference:
    return Difference(*row[["gain_over_svm", "gain_over_svm_low", "gain_over_svm_high"]])


def _gain_in_note(note: str, baseline: str) -> Difference:
    found = re.search(_GAIN + re.escape(baseline), note)
    if found is None:
        raise ValueError(f"the note {note!r} has no gain over {baseline}")
    return Difference(*(float(number) / 100 for number in found.groups()))


def _text(score: Score) -> str:
    """Format a score without breaks between lines."""
    return str(score).replace(" ", "\u00a0")


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%"
