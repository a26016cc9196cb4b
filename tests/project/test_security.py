"""What comes from outside is data: it runs nothing, reads and writes nothing else, fills no memory.

Beside what stands here: archives that leave their folder, bombs, wrong checksums and addresses
other than https are in test_download.py; a model that brings code along and damaged models in
test_model_files.py; predictions with pickled objects in test_evaluation.py; broken audio in
test_fma_utils.py and test_audio_stream.py. That the project itself evaluates no text, unpickles
nothing and starts no shell is what the linter's rules S look after.
"""

from __future__ import annotations

import copy
import io
import json
import shutil
import struct
import sys
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import soundfile
from fma_for_tests import write_tracks_csv
from records_for_tests import records_of

from common.errors import AudioError, UserError
from common.fma.audio import read_audio
from common.fma.audio_stream import AudioStream
from common.fma.metadata import load
from common.records.segments import Segments
from common.training.model_files import ModelCard, load_model, read_card, save_model
from common.training.options import TrainingOptions
from spectrogram_image.images.folder import ImageParameters, ImageSet, read_pixels

CARD = ModelCard("toy", "noise", {}, ("Folk", "Rock"), data_set={}, training={})
KERNEL = "layers/dense/vars/0"


def build():
    import keras

    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(2, "softmax", name="dense")(inputs), name="toy")


@pytest.fixture(scope="module")
def members(tf, tmp_path_factory) -> dict[str, bytes]:
    """The files inside a sound model."""
    path = tmp_path_factory.mktemp("model") / "model.keras"
    save_model(build(), path, CARD)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_model(folder: Path, members: dict[str, bytes], **how: Any) -> Path:
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refusal(function, *arguments) -> str:
    with pytest.raises(UserError) as error:
        function(*arguments)
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 500
    return text


def test_the_model_that_is_tampered_with_below_is_sound(members, tmp_path):
    model, card = load_model(write_model(tmp_path, members))
    assert (model.name, card) == ("toy", CARD)


FOREIGN = [
    ("os", "system", {"command": "touch proof"}),
    ("subprocess", "Popen", {"args": ["touch", "proof"]}),
    ("brings_code_along", "Layer", {}),
    ("builtins", "function", "eval"),
    ("keras.layers", "Lambda", {"function": "lambda x: x"}),
    ("keras.layers", "TFSMLayer", {"filepath": "proof"}),
    ("keras.layers", "TorchModuleWrapper", {"module": "proof"}),
    (None, "__lambda__", {"value": "4wAAAA=="}),
    ("kerasic", "Layer", {}),
]


@pytest.mark.parametrize("where", ["initializer", "loss", "whole"])
@pytest.mark.parametrize(("module", "name", "config"), FOREIGN, ids=lambda value: str(value)[:20])
def test_a_model_that_asks_for_code_is_refused(
    members, tmp_path, monkeypatch, module, name, config, where
):
    (tmp_path / "brings_code_along.py").write_text("open('proof', 'w')\nclass Layer: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    part = {"module": module, "class_name": name, "config": config, "registered_name": None}
    whole = json.loads(members["config.json"])
    if where == "initializer":
        whole["config"]["layers"][1]["config"]["kernel_initializer"] = part
    elif where == "loss":
        whole["compile_config"] = {"optimizer": "sgd", "loss": [{"genres": part}]}
    else:
        whole = part
    path = write_model(tmp_path, members | {"config.json": json.dumps(whole).encode()})
    asked = f"{module}.{name}" if module else name
    assert f"contains {asked}, which could run any code" in refusal(load_model, path)
    assert "brings_code_along" not in sys.modules
    assert not Path("proof").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"registered_name": "evil>Layer"},
        {"registered_name": "common>Absent", "module": "common.nn.blocks", "class_name": "Absent"},
        {"module": "keras.utils", "class_name": "get_file"},
        {"module": "keras.src.saving.saving_lib", "class_name": "load_model"},
        {"module": "keras.absent"},
        {"class_name": ["Dense"]},
        {"config": {"units": -1}},
        {"config": {"units": 10**30}},
        {"config": []},
    ],
    ids=str,
)
def test_a_model_of_parts_that_are_none_is_refused(members, tmp_path, changes):
    config = json.loads(members["config.json"])
    config["config"]["layers"][1] |= changes
    path = write_model(tmp_path, members | {"config.json": json.dumps(config).encode()})
    assert "does not load" in refusal(load_model, path)


@pytest.mark.parametrize("member", ["genre_classifier.json", "config.json"])
@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"9" * 10_000]
)
def test_text_that_exhausts_the_parser_is_refused(members, tmp_path, member, content):
    path = write_model(tmp_path, members | {member: content})
    assert str(path) in refusal(load_model, path)


def test_a_model_that_unpacks_to_more_than_it_is_is_refused(members, tmp_path):
    bomb = members | {"model.weights.h5": bytes(20_000_000)}
    path = write_model(tmp_path, bomb, compression=zipfile.ZIP_DEFLATED)
    for read in (read_card, load_model):
        assert "declares to unpack to 20,0" in refusal(read, path)


def test_members_that_share_their_bytes_are_counted_each(members, tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        weights = archive.getinfo("model.weights.h5")
        for number in range(100):
            twin = copy.copy(weights)
            twin.filename = f"assets/{number}"
            archive.filelist.append(twin)
    assert "declares to unpack to" in refusal(load_model, path)


def test_a_file_that_is_a_model_of_two_formats_is_refused(members, tmp_path):
    """Keras would choose the format by the name, and read what was not looked at."""
    path = write_model(tmp_path, members).rename(tmp_path / "model.h5")
    assert "must be called .keras" in refusal(load_model, path)


def external_link(file: h5py.File, other: Path) -> None:
    file[KERNEL] = h5py.ExternalLink(str(other), "secret")


def soft_link(file: h5py.File, other: Path) -> None:
    file["secret"] = np.ones((3, 2), np.float32)
    file[KERNEL] = h5py.SoftLink("/secret")


def external_storage(file: h5py.File, other: Path) -> None:
    file.create_dataset(KERNEL, (3, 2), np.float32, external=[(str(other), 0, 24)])


def virtual_dataset(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((3, 2), np.float32)
    layout[:] = h5py.VirtualSource(str(other), "secret", (3, 2))
    file.create_virtual_dataset(KERNEL, layout)


def endless(file: h5py.File, other: Path) -> None:
    file.create_dataset(KERNEL, (10**7, 10**7), np.float32, chunks=(1000, 1000), fillvalue=1)


def a_group(file: h5py.File, other: Path) -> None:
    file.create_group(KERNEL)


HOSTILE_WEIGHTS = [external_link, soft_link, external_storage, virtual_dataset, endless, a_group]


def tampered(weights: bytes, change, other: Path) -> bytes:
    """Replace a network's kernel by something that points elsewhere."""
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones((3, 2), np.float32)
    buffer = io.BytesIO(weights)
    with h5py.File(buffer, "a") as file:
        assert KERNEL in file
        del file[KERNEL]
        change(file, other)
    return buffer.getvalue()


@pytest.mark.parametrize("change", HOSTILE_WEIGHTS)
def test_a_model_with_weights_from_elsewhere_is_refused(members, tmp_path, change):
    weights = tampered(members["model.weights.h5"], change, tmp_path / "other.h5")
    path = write_model(tmp_path, members | {"model.weights.h5": weights})
    assert "does not load" in refusal(load_model, path)


@pytest.fixture(scope="module")
def training_folder(tf, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    train(folder)
    return folder


def train(folder: Path) -> None:
    from common.training.train import train as train_toy

    part = Segments(np.zeros((8, 3), np.uint8), np.arange(8) % 2, np.arange(8))
    options = TrainingOptions(epochs=1, batch_size=4)
    train_toy(
        "toy", build, records_of(part, part, genres=("a", "b")), folder=folder, options=options
    )


@pytest.mark.parametrize("change", HOSTILE_WEIGHTS)
def test_a_training_with_weights_from_elsewhere_is_not_taken_up(training_folder, tmp_path, change):
    folder = shutil.copytree(training_folder, tmp_path / "training")
    weights = folder / "best.weights.h5"
    weights.write_bytes(tampered(weights.read_bytes(), change, tmp_path / "other.h5"))
    assert str(weights) in refusal(train, folder)


@pytest.mark.parametrize("content", ["", "[" * 100_000, "no JSON", "null"])
def test_a_training_with_damaged_settings_is_refused(training_folder, tmp_path, content):
    folder = shutil.copytree(training_folder, tmp_path / "training")
    (folder / "settings.json").write_text(content)
    assert str(folder) in refusal(train, folder)


CELLS = [
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+1+1",
    '"; rm -rf ~; "',
    'it\'s "quoted",\nof two lines',
    "__import__('os').system('touch proof')",
    "{{ 7 * 7 }} <script>alert(1)</script> %s ${HOME} $(touch proof)",
    "../../etc/passwd",
    "\x1b[2J\u202egnp.exe",
    "x" * 10_000_000,
]


def test_cells_are_text_whatever_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        (number, {("set", "subset"): "small", ("track", "title"): cell, ("artist", "name"): cell})
        for number, cell in enumerate(CELLS)
    ]
    write_tracks_csv(tmp_path / "tracks.csv", rows)
    tracks = load(tmp_path / "tracks.csv", columns=[("track", "title"), ("artist", "name")])
    assert tracks["track", "title"].tolist() == CELLS
    assert tracks["artist", "name"].tolist() == CELLS
    assert not Path("proof").exists()


@pytest.mark.parametrize(
    "cell",
    [
        "__import__('os').system('touch proof')",
        "[__import__('os').system('touch proof')]",
        "[open('proof', 'w')]",
        "[x for x in (1, 2)]",
        "[lambda: 1]",
        "[f'{1}']",
        "{'a': 1}",
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "[" + "-" * 1_000_000 + "1]",
        "[" + "1+" * 100_000 + "1]",
        "[a" + ".a" * 100_000 + "]",
        "[" + "9" * 10_000 + "]",
    ],
    ids=lambda cell: cell[:20],
)
def test_a_list_that_is_none_costs_one_line(tmp_path, monkeypatch, cell):
    monkeypatch.chdir(tmp_path)
    row = {("set", "subset"): "small", ("track", "genres"): cell}
    write_tracks_csv(tmp_path / "tracks.csv", [(2, row)])
    text = refusal(load, tmp_path / "tracks.csv", [("track", "genres")])
    assert "where a list belongs" in text
    assert not Path("proof").exists()


def flac(sample_rate: int = 44_100, channels: int = 1, samples: int = 44_100) -> bytes:
    """One second of noise at 44.1 kHz, with a header (STREAMINFO) that says something else."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 44_100)
    soundfile.write(buffer, noise, 44_100, format="FLAC")
    content = bytearray(buffer.getvalue())
    bits = sample_rate << 44 | (channels - 1) << 41 | 15 << 36 | samples
    content[18:26] = bits.to_bytes(8, "big")
    return bytes(content)


def wav(sample_rate: int = 44_100, channels: int = 1, size: int = 88_200) -> bytes:
    """The same, of which 88,200 bytes are samples."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 44_100)
    soundfile.write(buffer, noise, 44_100, format="WAV", subtype="PCM_16")
    content = bytearray(buffer.getvalue())
    content[22:24] = channels.to_bytes(2, "little")
    content[24:28] = sample_rate.to_bytes(4, "little")
    content[40:44] = size.to_bytes(4, "little")
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(flac(samples=2**36 - 1), id="18 days"),
        pytest.param(flac(samples=44_100 * 3600 * 5), id="5 hours"),
        pytest.param(flac(channels=8), id="8 channels of 1"),
        pytest.param(flac(sample_rate=2**20 - 1), id="1 MHz"),
        pytest.param(flac(sample_rate=1), id="1 Hz"),
        pytest.param(wav(size=2**32 - 100), id="4 GB"),
        pytest.param(wav(channels=1024), id="1024 channels"),
        pytest.param(wav(channels=65_535), id="65,535 channels"),
        pytest.param(wav(sample_rate=2**31 - 1), id="2 GHz"),
    ],
)
def test_a_header_that_lies_takes_no_memory(tmp_path, content):
    """Either the file is refused, or what it really holds is read."""
    path = tmp_path / "song"
    path.write_bytes(content)
    tracemalloc.start()
    for read in (lambda: read_audio(path, duration=30, at_least=0), lambda: [*AudioStream(path)]):
        with suppress(AudioError):
            assert sum(map(np.size, read())) <= 30 * 22_050
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6


def png(width: int, height: int) -> bytes:
    """A file of a hundred bytes whose header declares any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = {b"IHDR": header, b"PLTE": bytes(3), b"IDAT": zlib.compress(bytes(9)), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    )


@pytest.mark.parametrize(
    ("size", "message"),
    [(9_000, "has 9000 × 9000 pixels, not 620 × 308"), (30_000, "decompression bomb")],
)
def test_an_image_that_declares_to_be_larger_is_refused_before_it_is_unpacked(
    tmp_path, size, message
):
    path = tmp_path / "image.png"
    path.write_bytes(png(size, size))
    parameters = ImageParameters(width=620, height=308, seconds=25, sample_rate=48_000, cmap="hot")
    images = ImageSet("mel", parameters, "00" * 768, ("Folk",), "all", {}, {}, {})
    with pytest.raises(UserError, match=message) as caught:
        read_pixels(path, images)
    assert "\n" not in str(caught.value)
