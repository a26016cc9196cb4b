"""How a network is trained, as data: known to the command line without TensorFlow."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, fields
from typing import Any

from fma_utils import UserError


def _option(default: float, least: float, text: str) -> Any:
    return field(default=default, metadata={"least": least, "help": text})


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained; an unknown option or a wrong type fails at once.

    The learning rate rises linearly over the first twentieth of the steps and falls along a half
    cosine over the others (Loshchilov and Hutter 2017, arXiv:1608.03983); weight decay is decoupled
    from it (AdamW; Loshchilov and Hutter 2019, arXiv:1711.05101).
    """

    epochs: int = _option(40, 1, "passes over the training segments, at most")
    batch_size: int = _option(32, 1, "segments a step, over all devices together")
    learning_rate: float = _option(1e-3, 0, "at its height")
    weight_decay: float = _option(1e-3, 0, "share of the weights taken away a unit of rate")
    label_smoothing: float = _option(0.1, 0, "share of probability given to all genres alike")
    patience: int = _option(15, 1, "epochs without a better validation loss before training ends")
    seed: int = _option(0, 0, "for weights, shuffling and augmentation")

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant."""
        for option in fields(self):
            value = getattr(self, option.name)
            expected = int if option.type == "int" else (int, float)
            if isinstance(value, bool) or not isinstance(value, expected):
                raise UserError(f"{option.name} = {value!r} must be of type {option.type}")
            if not value >= option.metadata["least"]:
                raise UserError(
                    f"{option.name} = {value} must be {option.metadata['least']} or more"
                )

    @classmethod
    def add_to(cls, parser: argparse.ArgumentParser) -> None:
        """Add ``--epochs``, ``--batch-size`` and the others to a parser."""
        group = parser.add_argument_group("training")
        for option in fields(cls):
            group.add_argument(
                f"--{option.name.replace('_', '-')}",
                type=int if option.type == "int" else float,
                default=option.default,
                help=option.metadata["help"],
            )

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> TrainingOptions:
        """Take the options out of what the parser found."""
        return cls(**{option.name: getattr(arguments, option.name) for option in fields(cls)})
