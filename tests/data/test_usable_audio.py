"""One file, one verdict: extraction, images, import and ``--verify`` agree about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from fma_for_tests import music

from common.fma.dataset import get_audio_path
from common.records.shards import run_shard
from data.download import check_track
from data.import_folder import import_folder
from spectrogram_feature.features.parameters import FeatureParameters
from spectrogram_feature.generate_records import Shard
from spectrogram_image.images.folder import ImageParameters
from spectrogram_image.images.jobs import Task, draw_images
from spectrogram_image.images.rendering import SIZES

SR = 16_000
TRACK = 7
SONG = music(0, 31, SR)
ZEROS = np.zeros(31 * SR)


def with_value(value: float) -> np.ndarray:
    return np.where(np.arange(len(SONG)) == 5 * SR, value, SONG)


def flac(sound: np.ndarray, path: Path) -> None:
    soundfile.write(path, sound, SR, format="FLAC")


def from_pipe(path: Path) -> None:
    flac(SONG, path)
    content = path.read_bytes()
    path.write_bytes(content[:21] + bytes([content[21] & 0xF0]) + bytes(4) + content[26:])


def cut(path: Path) -> None:
    flac(SONG, path)
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] + b"no music" * 1000 + content[half + 8000 :])


def mp3(*behind: bytes, sound: np.ndarray = SONG):
    def write(path: Path) -> None:
        soundfile.write(path, sound, SR, format="MP3")
        path.write_bytes(path.read_bytes() + b"".join(behind))

    return write


def wav(sound: np.ndarray, subtype: str = "PCM_16"):
    return lambda path: soundfile.write(path, sound, SR, subtype, format="WAV")


def joined(path: Path) -> None:
    mp3(sound=SONG[: 3 * SR])(path)
    jingle = path.read_bytes()
    mp3()(path)
    path.write_bytes(jingle + path.read_bytes())


DITHER = np.random.default_rng(0).integers(-1, 2, 31 * SR) / 2**15
VERDICTS = {
    "music": (mp3(), "", []),
    "music, left = -right": (wav(np.stack([SONG, -SONG], 1)), "", []),
    "music, then zeros": (mp3(bytes(5000)), "", []),
    "jingle, then music": (joined, "", []),
    "FLAC from a pipe": (from_pipe, "", []),
    "silent in the middle": (
        wav(np.concatenate([SONG[: 10 * SR], ZEROS[: 11 * SR], SONG[: 10 * SR]])),
        "",
        [(10.0, "is silent")],
    ),
    "zeros": (wav(ZEROS), "silent", [(t, "is silent") for t in (0.0, 10.0, 20.0)]),
    "zeros as MP3": (mp3(sound=ZEROS), "silent", [(t, "is silent") for t in (0.0, 10.0, 20.0)]),
    "DC": (wav(ZEROS + 0.3), "silent", [(t, "is silent") for t in (0.0, 10.0, 20.0)]),
    "dither": (wav(DITHER), "silent", [(t, "is silent") for t in (0.0, 10.0, 20.0)]),
    "dither in 24 bits": (
        wav(DITHER, "PCM_24"),
        "silent",
        [(t, "is silent") for t in (0.0, 10.0, 20.0)],
    ),
    "NaN": (
        wav(with_value(np.nan), "FLOAT"),
        "undecodable: decodes to values that are not finite",
        [(t, "decodes to values that are not finite") for t in (0.0, 10.0, 20.0)],
    ),
    "20,000 times full scale": (
        wav(with_value(20_000), "FLOAT"),
        "undecodable: is damaged: it decodes to 20,000 times full scale",
        [(t, "is damaged: it decodes to 20,000 times full scale") for t in (0.0, 10.0, 20.0)],
    ),
    "damaged in the middle": (cut, "damaged: ", [(10.0, "ends at "), (20.0, "ends at ")]),
}


@pytest.mark.parametrize(("write", "verdict", "failures"), VERDICTS.values(), ids=VERDICTS.keys())
def test_all_commands_agree(tmp_path, write, verdict, failures):
    path = get_audio_path(tmp_path / "audio", TRACK)
    path.parent.mkdir(parents=True)
    write(path)
    # --verify
    assert check_track(path).startswith(verdict)
    assert bool(check_track(path)) == bool(verdict)
    # extraction
    (tmp_path / "records").mkdir()
    shard = Shard(
        split="training",
        path=tmp_path / "records" / "a.tfrecord",
        tracks=((TRACK, 0, 3),),
        source=tmp_path / "audio",
        parameters=FeatureParameters(),
    )
    done = run_shard(shard)
    assert [failed[:2] for failed in done["failures"]] == [(TRACK, t) for t, _ in failures]
    for (*_, told), (_, expected) in zip(done["failures"], failures, strict=True):
        assert told.startswith(expected)
    assert done["segments"]["0"] == 3 - len(failures)
    # images of the first 12 s
    parameters = ImageParameters(*SIZES["quarter"], 12.0, SR, "magma")
    task = Task(tmp_path / "images", tmp_path / "audio", parameters, ("mel",), (TRACK,))
    drawn = draw_images(task)
    if failures and failures[0][0] == 0:
        [(track, kind, told)] = drawn["failures"]
        assert (track, kind) == (TRACK, "mel")
        assert told == failures[0][1]
    else:
        assert drawn["failures"] == []
    # import, beside two artists of another genre that can be used
    folder = tmp_path / "music"
    for number, genre in enumerate(["Techno", "Techno", "Techno", "Folk", "Folk", "Folk"]):
        place = folder / genre / f"artist {number}" / "song.mp3"
        place.parent.mkdir(parents=True)
        mp3(sound=music(number, 10, SR))(place)
    place = folder / "Folk" / "tried" / "song.mp3"
    place.parent.mkdir()
    place.write_bytes(path.read_bytes())
    problems = import_folder(folder, tmp_path / "mine", workers=1).table.set_index("path")[
        "problem"
    ]
    told = problems["Folk/tried/song.mp3"]
    if len(failures) == 3:
        assert told == failures[0][1]
    else:
        assert told == ""
    assert (problems.drop("Folk/tried/song.mp3") == "").all()
