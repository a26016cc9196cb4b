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
"""Of images at full size, the mean over ten clips of real music; smaller ones take more.

Kinds that are not listed are counted as the largest."""


@dataclass(frozen=True)
class Task:
    """One job: some tracks, and the images to make of each.

    Attributes
    ----------
    out : Path
        The folder of the kinds' folders.
    audio_dir : Path
        As `fma_utils.get_audio_path` takes it.
    parameters : ImageParameters
    kinds : tuple of str
    tracks : tuple of int
    """

    out: Path
    audio_dir: Path
    parameters: ImageParameters
    kinds: tuple[str, ...]
    tracks: tuple[int, ...]

    @property
    def size(self) -> float:
        """float: about how many bytes the images take that are not there yet."""
        pixels = self.parameters.width * self.parameters.height
        return sum(
            _BYTES_A_PIXEL.get(kind, max(_BYTES_A_PIXEL.values())) * pixels
            for kind in self.kinds
            for track_id in self.tracks
            if not image_path(self.out / kind, track_id).exists()
        )


def draw_images(task: Task) -> dict:
    """Make the images of some tracks, if they are not there.

    Parameters
    ----------
    task : Task

    Returns
    -------
    dict
        ``files`` and ``unusable``, as `common.jobs.run.run_jobs` takes them, and ``failures``: a
        (track id, kind, reason) for every image that could not be made.
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
            except AudioError as error:
                unusable[audio.relative_to(task.audio_dir).as_posix()] = state
                failures += [(track_id, kind, error.reason) for kind in missing]
                paths = {kind: path for kind, path in paths.items() if kind not in missing}
                missing = []
        for kind in missing:
            _write_image(sound, kind, task.parameters, paths[kind])
        for path in paths.values():
            files[path.relative_to(task.out).as_posix()] = path.stat().st_size
    return {"files": files, "unusable": unusable, "failures": failures}


def _read_sound(path: Path, parameters: ImageParameters) -> Sound:
    """Decode the beginning of a track, padded with up to `MAX_PADDING` seconds of silence.

    Raises
    ------
    AudioError
        If it does not decode, is too short or silent.
    """
    recording = read_recording(
        path,
        parameters.sample_rate,
        duration=parameters.seconds,
        at_least=parameters.seconds - MAX_PADDING,
    )
    samples = recording.samples
    if is_silent(samples, parameters.sample_rate, recording.step):
        raise AudioSilent(path, SILENT)
    missing = round(parameters.seconds * parameters.sample_rate) - len(samples)
    return Sound(np.pad(samples, (0, max(0, missing))), parameters.sample_rate)


def _write_image(sound: Sound, kind: str, parameters: ImageParameters, path: Path) -> None:
    indices = render_indices(KINDS[kind](sound), (parameters.width, parameters.height))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(encode_png(indices, parameters.cmap))
