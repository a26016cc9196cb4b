"""The instruments of the synthetic music: each a way to make sound, and its settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from data.demo.drums import drum, ride
from data.demo.synthesis import bell, pluck, sing, speak, tone

Instrument = Callable[[float, float, np.random.Generator], np.ndarray]

INSTRUMENTS: dict[str, Instrument] = {
    # keys
    "piano": partial(tone, tilt=1.1, attack=0.003, decay=0.9, release=0.12, mellowing=0.25),
    "honky-tonk": partial(tone, tilt=0.9, attack=0.003, decay=0.6, mellowing=0.2, voices=2),
    "electric piano": partial(tone, tilt=1.6, even=0.5, attack=0.004, decay=1.1, mellowing=0.15),
    "organ": partial(tone, tilt=0.7, even=0.9, formants=(500, 1000), vibrato=0.1, voices=2),
    "accordion": partial(tone, tilt=0.8, even=0.8, attack=0.05, voices=3, breath=0.03),
    "vibraphone": partial(bell, ratios=(1, 4, 10), decay=1.4, release=0.5),
    "bells": partial(bell, ratios=(1, 2.76, 5.4, 8.9), gains=(1, 0.6, 0.4, 0.2), decay=2.0),
    "marimba": partial(bell, ratios=(1, 3.9, 9.2), decay=0.25),
    # strings
    "nylon guitar": partial(pluck, softness=0.12, decay=0.9, damping=0.10),
    "steel guitar": partial(pluck, softness=0.05, decay=1.3, damping=0.03),
    "banjo": partial(pluck, softness=0.02, decay=0.28, damping=0.06),
    "mandolin": partial(pluck, softness=0.03, decay=0.35, damping=0.05),
    "sitar": partial(pluck, softness=0.01, decay=1.5, damping=0.005),
    "oud": partial(pluck, softness=0.08, decay=0.5, damping=0.08),
    "harp": partial(pluck, softness=0.15, decay=1.6, damping=0.12),
    "electric guitar": partial(pluck, softness=0.04, decay=2.0, damping=0.02),
    "upright bass": partial(pluck, softness=0.25, decay=0.6, damping=0.15),
    "bass guitar": partial(pluck, softness=0.12, decay=1.2, damping=0.05),
    "pedal steel": partial(tone, tilt=1.3, attack=0.12, decay=2.0, vibrato=0.25, release=0.2),
    "fiddle": partial(
        tone, tilt=0.8, formants=(500, 1100, 2800), attack=0.05, vibrato=0.2, breath=0.06
    ),
    "cello": partial(tone, tilt=0.9, formants=(250, 600, 1500), attack=0.09, vibrato=0.2),
    "strings": partial(
        tone, tilt=1.0, formants=(450, 1100), attack=0.18, release=0.3, vibrato=0.15, voices=4
    ),
    # winds and voices
    "saxophone": partial(
        tone, tilt=0.7, formants=(550, 1300, 2700), attack=0.04, vibrato=0.25, breath=0.08
    ),
    "clarinet": partial(tone, tilt=1.1, even=0.15, attack=0.04, vibrato=0.1, breath=0.02),
    "trumpet": partial(tone, tilt=0.6, formants=(1200, 2200), attack=0.03, vibrato=0.15),
    "flute": partial(tone, tilt=2.2, attack=0.07, vibrato=0.3, breath=0.12),
    "harmonica": partial(tone, tilt=0.6, even=0.6, formants=(900, 2000), attack=0.05, vibrato=0.3),
    "duduk": partial(tone, tilt=0.9, even=0.3, formants=(500, 1200), attack=0.1, vibrato=0.5),
    "voice": sing,
    "choir": partial(
        tone, tilt=1.0, formants=(700, 1100, 2600), attack=0.25, release=0.4, vibrato=0.2, voices=4
    ),
    "speech": speak,
    # electronics
    "saw lead": partial(tone, tilt=1.0, voices=2, mellowing=0.8, vibrato=0.1),
    "square lead": partial(tone, tilt=1.0, even=0.0, vibrato=0.15),
    "supersaw": partial(tone, tilt=0.9, voices=5, detune=0.18, attack=0.02, release=0.12),
    "synth pluck": partial(tone, tilt=0.8, attack=0.003, decay=0.25, mellowing=0.07, voices=2),
    "saw bass": partial(tone, tilt=0.9, attack=0.004, decay=0.8, mellowing=0.12),
    "acid bass": partial(tone, tilt=0.7, attack=0.003, decay=0.4, mellowing=0.06, even=0.5),
    "sub bass": partial(tone, tilt=3.0, attack=0.01, decay=1.6, release=0.08),
    "pad": partial(
        tone, tilt=1.5, attack=0.6, release=0.9, mellowing=2.0, voices=4, detune=0.12
    ),
    # experiments
    "drone": partial(tone, tilt=1.2, attack=1.5, release=1.5, voices=5, detune=0.3, breath=0.1),
    "swarm": partial(
        bell, ratios=(1, 1.47, 2.09, 2.56, 3.93, 5.2), gains=(1, 0.8, 0.7, 0.6, 0.5, 0.4),
        decay=6.0, attack=0.4, release=1.0,
    ),
    "gong": partial(
        bell, ratios=(1, 1.51, 1.99, 2.44, 2.83, 4.7), gains=(1, 0.7, 0.8, 0.5, 0.6, 0.4), decay=3.0
    ),
    "static": partial(tone, tilt=0.2, attack=0.01, release=0.02, breath=1.0, voices=3, detune=1.1),
    "wind": partial(tone, tilt=3.0, attack=1.0, release=1.2, breath=0.9, vibrato=0.6),
    # drums
    "kick": partial(
        drum, hz=52, bend=3.0, decay=0.12, noise=0.12, band=(1500, 5000), noise_decay=0.01
    ),
    "deep kick": partial(drum, hz=46, bend=4.0, decay=0.3),
    "soft kick": partial(drum, hz=62, bend=1.0, decay=0.10),
    "snare": partial(drum, hz=185, bend=0.6, decay=0.06, noise=0.7, noise_decay=0.11),
    "dry snare": partial(drum, hz=210, bend=0.5, decay=0.04, noise=0.6, noise_decay=0.05),
    "brush": partial(drum, noise=0.5, band=(2000, 8000), attack=0.03, noise_decay=0.1),
    "clap": partial(drum, noise=0.8, band=(900, 3500), noise_decay=0.06, strokes=4),
    "rim": partial(drum, hz=820, decay=0.02, noise=0.2, band=(2000, 6000), noise_decay=0.01),
    "hat": partial(drum, noise=0.4, band=(7500, 16_000), noise_decay=0.025),
    "open hat": partial(drum, noise=0.35, band=(6500, 15_000), noise_decay=0.16),
    "ride": ride,
    "shaker": partial(drum, noise=0.3, band=(5000, 12_000), attack=0.03, noise_decay=0.04),
    "tom": partial(drum, hz=105, bend=0.8, decay=0.18, noise=0.1, noise_decay=0.02),
    "conga": partial(drum, hz=230, bend=0.15, decay=0.12, noise=0.15, noise_decay=0.01),
    "slap": partial(drum, hz=340, bend=0.2, decay=0.04, noise=0.5, noise_decay=0.03),
    "dum": partial(drum, hz=88, bend=0.3, decay=0.2, noise=0.1, band=(300, 1500), noise_decay=0.03),
    "tek": partial(
        drum, hz=520, bend=0.1, decay=0.05, noise=0.4, band=(3000, 9000), noise_decay=0.02
    ),
}  # fmt: skip
"""All instruments by name."""
