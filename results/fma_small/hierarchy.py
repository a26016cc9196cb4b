"""Ways to keep a genre at most as probable as its parent, compared on the validation split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from common.evaluation import multilabel
from common.evaluation.one_vs_rest import bound_by_ancestors
from common.evaluation.predictions import Predictions, predict
from common.fma.labels import ancestors
from common.tables import write_table
from rows import HERE, flat
from spectrogram_feature import training
from study import OPTIONS, Study

if TYPE_CHECKING:
    import keras

RULE_SEEDS = 2
STATISTICS = ("macro_average_precision", "micro_average_precision", "lrap")
PRODUCT = "product over the ancestors"


def compare_rules(study: Study, name: str) -> None:
    """Train a network under each of the rules, and write their scores on the validation split."""
    records = study.several
    tree = ancestors(records.manifest.genres, records.manifest.parents)
    alone = np.eye(len(tree), dtype=bool)

    def independent(model: keras.Model) -> keras.Model:
        return _with_head(model, alone)

    def maximum(model: keras.Model) -> keras.Model:
        """Give each genre the largest probability of itself and its descendants."""
        import keras
        from keras import ops

        outputs = independent(model).output
        largest = [ops.max(ops.take(outputs, np.flatnonzero(own), 1), 1) for own in tree.T]
        return keras.Model(model.input, ops.stack(largest, axis=1), name=model.name)

    def train(rule: str, change: Callable[[keras.Model], keras.Model], seed: int) -> Predictions:
        from common.training.train import train

        options = replace(OPTIONS, seed=seed)
        run = train(
            name,
            lambda: change(training.build_model(records, name, options.augment)),
            records,
            folder=study.out / "hierarchy" / rule / f"seed-{seed}",
            options=options,
            architecture={"hierarchy": rule},
            save=False,
        )
        return predict(run.model, records, "validation")

    def product(balance: str) -> list[Predictions]:
        models = (study.on_labels("all", name, seed, balance).model for seed in seeds)
        return [predict(model, records, "validation") for model in models]

    seeds = range(RULE_SEEDS)
    free = [train("none", independent, seed) for seed in seeds]
    runs = {
        PRODUCT: product("none"),
        f"{PRODUCT}, weights of genres": product("weights"),
        "maximum over the descendants": [train("maximum", maximum, seed) for seed in seeds],
        "limit by the ancestors, after training": [
            replace(one, probability=bound_by_ancestors(one.probability, tree)) for one in free
        ],
        "none": free,
    }
    write_table(HERE / "hierarchy.csv", pd.DataFrame([
        {
            "rule": rule,
            **_cells(own, runs[PRODUCT]),
            "violations": np.mean([
                multilabel.violations(one, records.manifest.parents) for one in own
            ]),
        }
        for rule, own in runs.items()
    ]))  # fmt: skip


def _with_head(model: keras.Model, tree: np.ndarray) -> keras.Model:
    from common.nn.blocks import with_several_genres

    return with_several_genres(model, tree.tolist())


def _cells(own: list[Predictions], product: list[Predictions]) -> dict[str, float]:
    scores = multilabel.evaluate(own)
    cells: dict[str, float] = {}
    for statistic in STATISTICS:
        cells |= flat(statistic, getattr(scores, statistic))
    return cells if own is product else cells | flat("gain", multilabel.compare(own, product))
