"""SpecAugment for features of segments: the paper's policies in frames and bins.

The layer is `common.nn.spec_augment.SpecAugment`.
"""

from __future__ import annotations

from common.nn.policies import POLICIES, Policy
from common.nn.spec_augment import PAPER_BINS, PAPER_HOP_SECONDS, SpecAugment
from spectrogram_feature.features.parameters import FeatureParameters, StoredParameters

__all__ = ["DEFAULT_POLICY", "POLICIES", "scaled_policy", "spec_augment"]

DEFAULT_POLICY = "LD"  # the best of the paper on LibriSpeech, with utterances of 12 s on average


def scaled_policy(name: str, parameters: StoredParameters | None = None) -> Policy:
    """Convert a policy of the paper to the resolution of some features.

    Frequency masks keep their share of the axis. Time masks and the warp keep their length in
    seconds, which also keeps their share, since segments are about as long as the paper's
    utterances. At the default parameters, the policies are

    ====  ===  ===  ====  ===  ===  ====
    name   W    F   m_F    T    p   m_T
    ====  ===  ===  ====  ===  ===  ====
    LB     38   28    1    48  1.0    1
    LD     38   28    2    48  1.0    2
    SM     19   16    2    34  0.2    2
    SS     19   28    2    34  0.2    2
    ====  ===  ===  ====  ===  ===  ====

    A name that is no key of `POLICIES` is a `UserError`. The default parameters are those of
    Constant-Q features.
    """
    parameters = parameters or FeatureParameters()
    _, bins = parameters.shape
    return Policy.named(name).scaled(
        time=PAPER_HOP_SECONDS / parameters.hop_seconds, frequency=bins / PAPER_BINS
    )


def spec_augment(
    name: str = DEFAULT_POLICY,
    parameters: StoredParameters | None = None,
    *,
    seed: int | None = None,
) -> SpecAugment:
    """Create the layer for features, float (batch, frames, bins), with a `scaled_policy`."""
    return SpecAugment(scaled_policy(name, parameters), seed=seed, name="spec_augment")
