"""The jobs of image generation: each makes all images of some tracks.

A track is decoded once for all kinds of images. Images are written atomically, and finished ones
are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import AudioError, AudioSilent
from common.fma.audio import read_recording
from common.fma.dataset import get_audio_path
from common.fma.silence import SILENT, is_silent
from common.fma.track_plan import MAX_PADDING
from common.jobs.files import atomic_write, fingerprint
from spectrogram_image.convert import KINDS
from spectrogram_image.images.folder import ImageParameters, image_path, is_whole
from spectrogram_image.images.rendering import encode_png, render_indices
from spectrogram_image.sound import Sound

_BYTES_A_PIXEL = {
    "linear": 0.42,
    "log": 0.34,
    "mel": 0.15,
    "log-mel": 0.15,
    "cqt": 0.07,
    "chroma-stft": 0.02,
    "chroma-cqt": 0.02,
    "tempogram": 0.03,
}
"""Bytes per pixel at full size, mean over ten clips of real music; smaller images take more."""


@dataclass(frozen=True)
class Task:
    """One job: some tracks, and the kinds of images of each; `out` contains a folder per kind."""

    out: Path
    audio_dir: Path
    parameters: ImageParameters
    kinds: tuple[str, ...]
    tracks: tuple[int, ...]

    @property
    def size(self) -> float:
        """float: estimate of the bytes of the missing images."""
        pixels = self.parameters.width * self.parameters.height
        return sum(
            _BYTES_A_PIXEL.get(kind, max(_BYTES_A_PIXEL.values())) * pixels
            for kind in self.kinds
            for track_id in self.tracks
            if not image_path(self.out / kind, track_id).exists()
        )


def draw_images(task: Task) -> dict:
    """Make the missing images of some tracks.

    Returns ``files`` and ``unusable`` for `common.jobs.run.run_jobs`, and ``failures``: a (track
    id, kind, reason) for each image that could not be made.
    """
    files: dict[str, int] = {}
    unusable: dict[str, list[int] | None] = {}
    failures: list[tuple[int, str, str]] = []
    for track_id in task.tracks:
        paths = {kind: image_path(task.out / kind, track_id) for kind in task.kinds}
        missing = [kind for kind, path in paths.items() if not is_whole(path)]
        if missing:
            audio = get_audio_path(task.audio_dir, track_id)
            state = fingerprint(audio)
            try:
                sound = _read_sound(audio, task.parameters)
                for kind in missing:
                    _write_image(sound, kind, task.parameters, paths[kind])
            except AudioError as error:
                unusable[audio.relative_to(task.audio_dir).as_posix()] = state
                failures += [(track_id, kind, error.reason) for kind in missing]
                paths = {kind: path for kind, path in paths.items() if kind not in missing}
        for path in paths.values():
            files[path.relative_to(task.out).as_posix()] = path.stat().st_size
    return {"files": files, "unusable": unusable, "failures": failures}


def _read_sound(path: Path, parameters: ImageParameters) -> Sound:
    """Decode the beginning of a track, padded with up to `MAX_PADDING` seconds of silence.

    An `AudioError` is raised if it does not decode, is too short or silent.
    """
    sr, seconds = parameters.sample_rate, parameters.seconds
    recording = read_recording(path, sr, duration=seconds, at_least=seconds - MAX_PADDING)
    if is_silent(recording.samples, sr, recording.step):
        raise AudioSilent(path, SILENT)
    missing = round(seconds * sr) - len(recording.samples)
    return Sound(np.pad(recording.samples, (0, max(0, missing))), sr)


def _write_image(sound: Sound, kind: str, parameters: ImageParameters, path: Path) -> None:
    indices = render_indices(KINDS[kind](sound), (parameters.width, parameters.height))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(encode_png(indices, parameters.cmap))
