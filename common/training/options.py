"""Options of a training, in Python and on the command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.nn.policies import PERTURB, POLICIES

AUGMENTATIONS = (PERTURB, "none", *POLICIES)
"""Rotation, equaliser and masks of `perturb`, no augmentation, and SpecAugment's policies."""


def _option(
    default: Any, text: str, *, least: float | None = None, choices: tuple[str, ...] | None = None
) -> Any:
    return field(default=default, metadata={"help": text, "least": least, "choices": choices})


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training; an unknown option or a wrong type is an error.

    The learning rate rises linearly over the first twentieth of the steps and falls along a half
    cosine over the others (Loshchilov and Hutter 2017, arXiv:1608.03983); weight decay is decoupled
    from it (AdamW; Loshchilov and Hutter 2019, arXiv:1711.05101).
    """

    epochs: int = _option(40, "passes over the training segments, at most", least=1)
    batch_size: int = _option(32, "segments in a step, over all devices", least=1)
    learning_rate: float = _option(1e-3, "largest value of the schedule", least=0)
    weight_decay: float = _option(1e-3, "of AdamW", least=0)
    label_smoothing: float = _option(
        0.1,
        "probability that all genres share; without effect on several genres a track",
        least=0,
    )
    mixup: float = _option(0.0, "α of the Beta distribution that mixes segments; 0: none", least=0)
    cutmix: float = _option(
        0.5, "probability that an interval of a segment is replaced by that of another", least=0
    )
    augment: str = _option(
        PERTURB,
        "perturb: rotation in time, random equaliser and small masks; others: policies of "
        "SpecAugment",
        choices=AUGMENTATIONS,
    )
    balance: str = _option(
        "none", "weights: larger weights for rare genres", choices=("none", "weights")
    )
    patience: int = _option(15, "epochs without a lower validation loss before the end", least=1)
    seed: int = _option(0, "for weights, shuffling and augmentation", least=0)

    def __post_init__(self) -> None:
        """Check the types and ranges of all options."""
        for option in fields(self):
            value, limits, wanted = (
                getattr(self, option.name),
                option.metadata,
                type(option.default),
            )
            accepted = (int, float) if wanted is float else wanted
            if isinstance(value, bool) or not isinstance(value, accepted):
                raise UserError(f"{option.name} = {value!r} must be of type {wanted.__name__}")
            if limits["least"] is not None and not value >= limits["least"]:
                raise UserError(f"{option.name} = {value} must be {limits['least']} or more")
            if limits["choices"] and value not in limits["choices"]:
                names = ", ".join(limits["choices"])
                raise UserError(f"{option.name} = {value!r} must be one of {names}")

    @classmethod
    def add_to(cls, parser: argparse.ArgumentParser) -> None:
        """Add ``--epochs``, ``--batch-size`` and the others to a parser."""
        group = parser.add_argument_group("training")
        for option in fields(cls):
            group.add_argument(
                f"--{option.name.replace('_', '-')}",
                type=type(option.default),
                default=option.default,
                choices=option.metadata["choices"],
                help=option.metadata["help"],
            )
        group.add_argument(
            "--seeds",
            type=int,
            default=1,
            help="number of trainings, with seeds from --seed on; scores are means over them",
        )

    def with_seeds(self, count: int, folder: Path) -> list[tuple[TrainingOptions, Path]]:
        """List the options and folders of several trainings: seeds count up from the own one.

        A single training is in the folder itself, others are in ``seed-0``, ``seed-1`` and so on.
        """
        if count < 1:
            raise UserError(f"seeds = {count} must be 1 or more")
        if count == 1:
            return [(self, folder)]
        seeds = range(self.seed, self.seed + count)
        return [(replace(self, seed=seed), folder / f"seed-{seed}") for seed in seeds]

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> TrainingOptions:
        """Read the options from parsed arguments."""
        return cls(**{option.name: getattr(arguments, option.name) for option in fields(cls)})
