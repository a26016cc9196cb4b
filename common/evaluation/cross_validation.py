"""Cross-validation: out-of-fold predictions of every track.

The test split of a small data set is too small to tell models apart; cross-validation tests on all
of its tracks. Each fold is the test set once. The next fold is the validation set, which selects
the best epoch, or C and gamma of the SVM; the others are the training set. Nothing is selected on
the fold that is scored.

With several members, each fold has further models with another of the remaining folds for
validation, and their probabilities are averaged. Together they are trained on all tracks outside
the fold (Krogh and Vedelsby 1995, "Neural network ensembles, cross validation, and active
learning", NIPS 7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from common.errors import UserError
from common.evaluation.judging import Fitted, Judged, judge
from common.evaluation.predictions import Predictions, predict
from common.evaluation.scoring import main_score
from common.fma.metadata import SPLITS
from common.records.folder import RecordFolder
from common.records.segments import MemoryRecords, Segments

PREDICTIONS_FILE = "cross_validation.npz"

SPLIT_RULES: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "artist": lambda tracks: tracks["artist"],
    "track": lambda tracks: tracks.index.to_series(),
}
"""Name → function from the table of tracks to the group of each track, which is in one fold.

By ``"track"``, an artist is in several folds, and scores are too high (Flexer and Schnitzer 2010,
"Effects of album and artist filters in audio similarity computed for very large music databases",
Computer Music Journal 34)."""


@dataclass(frozen=True, eq=False)
class Fold:
    """Track ids of one fold, and of the other folds, beginning with the next."""

    test: np.ndarray
    others: tuple[np.ndarray, ...]

    def divide(self, member: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the training tracks and the validation tracks of a member."""
        rest = [part for i, part in enumerate(self.others) if i != member]
        return np.concatenate(rest), self.others[member]


def make_folds(tracks: pd.DataFrame, folds: int, seed: int = 0, rule: str = "artist") -> list[Fold]:
    """Divide tracks into folds with about the same shares of genres.

    ``tracks`` is indexed by track id, with ``label`` and ``artist``, as `RecordFolder.plan` returns
    it, and ``rule`` is a key of `SPLIT_RULES`. Fewer than three folds, or fewer groups than folds,
    are a `UserError`.
    """
    if folds < 3:
        raise UserError(f"{folds} folds: at least 3 are needed for training, validation and test")
    groups = SPLIT_RULES[rule](tracks)
    if groups.nunique() < folds:
        raise UserError(f"{groups.nunique()} {rule}s cannot be divided into {folds} folds")
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    parts = [
        tracks.index[test].to_numpy() for _, test in splitter.split(tracks, tracks["label"], groups)
    ]
    return [Fold(test=part, others=(*parts[i + 1 :], *parts[:i])) for i, part in enumerate(parts)]


def cross_validate(
    fit: Callable[[MemoryRecords], Fitted],
    records: RecordFolder,
    segments: Segments,
    folds: list[Fold],
    *,
    members: int = 1,
    folder: str | Path | None = None,
) -> Judged:
    """Fit classifiers to each fold, and judge their pooled predictions.

    ``fit`` trains a classifier on the splits of records, here `MemoryRecords`. ``segments`` are all
    segments of the records. ``members`` is the number of classifiers per fold, up to the number of
    other folds. `PREDICTIONS_FILE` is saved in ``folder``, if it is given. The note of the row is
    the range of the main scores of the folds. With several genres a track, scores rank the tracks
    of all folds together; they are lower than those of single folds where probabilities of
    different models differ in scale.
    """
    if not 1 <= members <= len(folds[0].others):
        most = len(folds) - 1
        raise UserError(f"{members} members: with {len(folds)} folds there can be 1 to {most}")
    pooled: list[Predictions] = []
    of_folds: list[float] = []
    seconds = 0.0
    for number, fold in enumerate(folds):
        of_members: list[Predictions] = []
        for member in range(members):
            tracks = dict(zip(SPLITS, (*fold.divide(member), fold.test), strict=True))
            data = MemoryRecords.divide(
                records,
                {split: segments.of(chosen) for split, chosen in tracks.items()},
                name=f"fold-{number}-member-{member}",
                training_tracks=tuple(sorted(tracks["training"].tolist())),
            )
            fitted = fit(data)
            of_members.append(predict(fitted.model, data, "test"))
            seconds += fitted.seconds
        pooled.append(Predictions.average(of_members))
        of_folds.append(main_score(pooled[-1]))
    predictions = Predictions.concatenate(pooled)
    if folder:
        predictions.save(Path(folder) / PREDICTIONS_FILE)
    note = f"folds {min(of_folds):.0%} to {max(of_folds):.0%}"
    return judge(
        predictions,
        fitted.name,
        parameters=fitted.parameters and members * fitted.parameters,
        seconds=seconds,
        note=note if members == 1 else f"{members} members, {note}",
        is_baseline=fitted.is_baseline,
    )
