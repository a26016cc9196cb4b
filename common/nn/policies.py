"""Names of augmentations and policies of SpecAugment, which need no Keras.

Letters are those of the paper: Park et al. 2019, arXiv:1904.08779.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from common.errors import UserError


@dataclass(frozen=True)
class Policy:
    """Strength of the augmentation; with the defaults, a spectrogram does not change.

    A value of the wrong type or out of range is a `UserError`.
    """

    warp: int = 0  # W: maximum displacement of a point in time, in frames
    frequency_width: int = 0  # F: maximum width of a frequency mask, in bins
    frequency_masks: int = 0  # m_F: number of frequency masks
    time_width: int = 0  # T: maximum width of a time mask, in frames
    time_share: float = 1.0  # p: maximum width of a time mask, as a share of all frames
    time_masks: int = 0  # m_T: number of time masks

    def __post_init__(self) -> None:
        """Check the types and ranges of all values."""
        for field in fields(self):
            value, whole = getattr(self, field.name), field.type == "int"
            kinds, most = (int, math.inf) if whole else ((int, float), 1)
            if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value <= most:
                wanted = "a whole number, 0 or more" if whole else "a number from 0 to 1"
                raise UserError(f"SpecAugment: {field.name} must be {wanted}, not {value!r}")

    @classmethod
    def named(cls, name: str) -> Policy:
        """Look up a policy of `POLICIES`; an unknown name is a `UserError`."""
        if name not in POLICIES:
            known = ", ".join(POLICIES)
            raise UserError(f"there is no SpecAugment policy {name!r}: choose one of {known}")
        return POLICIES[name]

    def scaled(self, *, time: float, frequency: float) -> Policy:
        """Convert the policy to another resolution: new frames per old frame, new bins per old bin.

        Widths are rounded; the number and the share of masks do not change.
        """
        return replace(
            self,
            warp=round(self.warp * time),
            frequency_width=round(self.frequency_width * frequency),
            time_width=round(self.time_width * time),
        )


# Table 1 of the paper: LibriSpeech basic and double, Switchboard mild and strong.
POLICIES = {
    "LB": Policy(80, 27, 1, 100, 1.0, 1),
    "LD": Policy(80, 27, 2, 100, 1.0, 2),
    "SM": Policy(40, 15, 2, 70, 0.2, 2),
    "SS": Policy(40, 27, 2, 70, 0.2, 2),
}

PERTURB = "perturb"
"""Name of the augmentation of `common.nn.perturbation`."""
