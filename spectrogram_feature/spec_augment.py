"""SpecAugment for Constant-Q features: the paper's policies in frames and bins of these features.

The layer itself is `common.nn.spec_augment.SpecAugment`, for images too.
"""

from __future__ import annotations

from common.nn.spec_augment import PAPER_BINS, PAPER_HOP_SECONDS, POLICIES, Policy, SpecAugment
from spectrogram_feature.features.parameters import FeatureParameters, SegmentParameters

__all__ = ["DEFAULT_POLICY", "POLICIES", "scaled_policy", "spec_augment"]

DEFAULT_POLICY = "LD"
"""The best of the paper on LibriSpeech, whose utterances are about as long as the segments here:
12 s on average."""


def scaled_policy(name: str, parameters: SegmentParameters | None = None) -> Policy:
    """Give a policy of the paper in frames and bins of some features.

    In frequency, masks keep their share of the axis: of 84 bins as of the paper's 80. In time, warp
    and masks keep their length in seconds, which keeps their share of the axis too, since segments
    are about as long as the paper's utterances. Taken as numbers of frames they would be twice as
    long, 21 ms a frame instead of 10 ms, and the two masks of LD could hide four tenths of a
    segment.

    Parameters
    ----------
    name : str
        A key of `POLICIES`.
    parameters : SegmentParameters, optional
        By default those of the project, for which policies become

        ====  ===  ===  ====  ===  ===  ====
        name   W    F   m_F    T    p   m_T
        ====  ===  ===  ====  ===  ===  ====
        LB     38   28    1    48  1.0    1
        LD     38   28    2    48  1.0    2
        SM     19   16    2    34  0.2    2
        SS     19   28    2    34  0.2    2
        ====  ===  ===  ====  ===  ===  ====

    Raises
    ------
    UserError
        If there is no such policy.
    """
    parameters = parameters or FeatureParameters()
    hop_seconds = parameters.hop_length / parameters.sample_rate
    return Policy.named(name).scaled(
        time=PAPER_HOP_SECONDS / hop_seconds, frequency=parameters.n_bins / PAPER_BINS
    )


def spec_augment(
    name: str = DEFAULT_POLICY,
    parameters: SegmentParameters | None = None,
    *,
    seed: int | None = None,
) -> SpecAugment:
    """Make the layer for Constant-Q features, float (batch, frames, bins).

    Parameters
    ----------
    name : str
        A key of `POLICIES`.
    parameters : SegmentParameters, optional
        By default those of the project.
    seed : int, optional
        By default one that `keras.utils.set_random_seed` decides.

    Raises
    ------
    UserError
        If there is no such policy.
    """
    return SpecAugment(scaled_policy(name, parameters), seed=seed, name="spec_augment")
