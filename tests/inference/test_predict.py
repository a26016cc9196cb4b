"""The command that predicts: what it finds, what it prints, and what it survives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from classifier_for_tests import GENRES, save_small_model
from fma_for_tests import music

from common.errors import AudioError, UserError
from common.paths import PROJECT_ROOT
from spectrogram_feature import predict
from spectrogram_feature.inference.classifier import GenreClassifier
from spectrogram_feature.predict import find_audio, predict_all

SR = 16_000
FORMATS = ("a.mp3", "a.wav", "a.flac", "a.ogg", "a.aiff", "a.opus")


@pytest.fixture(scope="module")
def model(tf, tmp_path_factory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def classifier(model) -> GenreClassifier:
    return GenreClassifier.load(model)


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> Path:
    """A folder with one piece of music in every format."""
    folder = tmp_path_factory.mktemp("songs")
    for name in FORMATS:
        options = {"format": "OGG", "subtype": "OPUS"} if name.endswith("opus") else {}
        soundfile.write(folder / name, music(0, 4, SR), SR, **options)
    return folder


@pytest.fixture
def run(model, monkeypatch, capsys):
    """Run the command in this process: exit code, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        options = ["--model", model]
        monkeypatch.setattr(sys, "argv", ["predict", *map(str, [*arguments, *options])])
        code = 0
        try:
            predict.main()
        except SystemExit as end:
            code = end.code
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


def found(*arguments: object) -> list[str]:
    return [str(item) for item in find_audio(arguments)]


def test_folders_are_searched_in_order_without_what_is_hidden(tmp_path):
    for name in (
        "b/2.MP3",
        "b/1.wav",
        "a/x.flac",
        "cover.jpg",
        ".trash/3.mp3",
        "b/.4.mp3",
        "z.m4a",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    expected = ["a/x.flac", "b/1.wav", "b/2.MP3", "z.m4a"]
    assert found(tmp_path) == [str(tmp_path / name) for name in expected]
    # What is asked for by name is tried, whatever it is called.
    assert found(tmp_path / "cover.jpg") == [str(tmp_path / "cover.jpg")]


def test_what_is_no_file_is_told_without_being_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop.mp3").symlink_to(tmp_path / "loop.mp3")
    names = [tmp_path / "pipe.wav", "/dev/zero", tmp_path / "empty", tmp_path / "loop.mp3"]
    items = list(find_audio([*names, tmp_path / "none.mp3", "x" * 5000, "a\0b"]))
    assert all(isinstance(item, AudioError) for item in items)
    words = ("device or a pipe", "device or a pipe", "no audio files", "no such file")
    for item, expected in zip(
        items, [*words, "no such file", "too long", "no such file"], strict=True
    ):
        assert expected in item.reason


def test_pipes_in_a_folder_do_not_stop_it(classifier, songs, tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    [(path, outcome)] = predict_all(classifier, find_audio([tmp_path]))
    assert path == tmp_path / "a.wav"
    assert isinstance(outcome, AudioError)


def test_formats_agree(classifier, songs):
    outcomes = dict(predict_all(classifier, find_audio([songs])))
    assert len(outcomes) == len(FORMATS)
    probabilities = [prediction.probability for prediction in outcomes.values()]
    assert np.ptp(probabilities, axis=0).max() < 0.05


def test_one_file_is_told_in_bars(run, songs):
    code, out, err = run(songs / "a.wav", "--top", 2)
    assert (code, err) == (0, "")
    heading, file, *bars = out.splitlines()
    assert heading.startswith("Model: small, trained on noise (synthetic); ")
    assert file == f"{songs / 'a.wav'} (4 s)"
    assert len(bars) == 2
    assert " %" in bars[0]
    assert "█" in bars[0]


def test_several_files_are_told_in_a_table(run, songs):
    code, out, err = run(songs)
    assert code == 0
    _, header, *rows = out.splitlines()
    assert header.split() == ["File", "Length", "Most", "probable", "genres"]
    assert [row.split()[0] for row in rows] == [str(songs / name) for name in sorted(FORMATS)]
    assert len({row.index(" s  ") for row in rows}) == 1  # columns stand below each other
    assert "error" not in err


def test_json_has_a_line_for_each_file_and_nothing_else(run, songs, tmp_path):
    (tmp_path / "bad.mp3").write_text("no music")
    code, out, err = run(songs / "a.wav", tmp_path / "bad.mp3", tmp_path / "none.mp3", "--json")
    assert code == 1
    good, bad, none = [json.loads(line) for line in out.splitlines()]
    assert good["file"] == str(songs / "a.wav")
    assert good["seconds"] == 4
    assert set(good["genres"]) == set(GENRES)
    assert good["top"] == max(good["genres"], key=good["genres"].get)
    assert [segment["start"] for segment in good["segments"]] == [0, 1.5, 2.5]
    mean = sum(s["weight"] * np.array(s["probabilities"]) for s in good["segments"])
    np.testing.assert_allclose(mean, list(good["genres"].values()), atol=1e-4)
    assert bad == {
        "file": str(tmp_path / "bad.mp3"),
        "error": "is no audio, or damaged beyond decoding",
    }
    assert none == {"file": str(tmp_path / "none.mp3"), "error": "no such file"}
    assert f"error: {tmp_path / 'none.mp3'}: no such file" in err


def test_a_broken_file_costs_its_line_and_the_rest_go_on(run, songs, tmp_path):
    (tmp_path / "bad.mp3").write_text("no music")
    code, out, err = run(songs / "a.wav", tmp_path / "bad.mp3", songs / "a.mp3")
    assert code == 1
    assert len(out.splitlines()) == 4
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert errors == [f"error: {tmp_path / 'bad.mp3'}: is no audio, or damaged beyond decoding"]


def test_names_that_would_break_a_line_are_escaped(run, songs, tmp_path):
    path = tmp_path / "a\nb\x1b.wav"
    path.write_bytes((songs / "a.wav").read_bytes())
    code, out, _ = run(path)
    assert code == 0
    assert "a\\nb\\x1b.wav (4 s)" in out


def test_plot_is_drawn(run, songs, tmp_path):
    code, _, _ = run(songs / "a.wav", "--plot", tmp_path / "out.png")
    assert code == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav", "a.mp3", "--plot", "out.png"], "--plot draws one file, and here are 2"),
        (["a.wav", "--plot", "out.mov"], "--plot out.mov: let its name end in .png"),
        (["a.wav", "--plot", "nowhere/out.png"], "there is no folder nowhere"),
        (["a.wav", "--top", "0"], "--top 0: at least 1 genre is needed"),
    ],
)
def test_mistakes_in_the_arguments_are_refused(run, songs, monkeypatch, arguments, message):
    monkeypatch.chdir(songs)
    with pytest.raises(UserError, match=message):
        run(*arguments)


def test_a_model_that_is_not_there_is_refused(songs, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["predict", str(songs / "a.wav"), "--model", "none.keras"])
    with pytest.raises(UserError, match=r"none.keras: no such model"):
        predict.main()


def mutations(songs: Path, folder: Path, count: int) -> None:
    """Write files that were audio: cut, with flipped bits, overwritten, under a wrong name."""
    rng = np.random.default_rng(0)
    sources = [(songs / name).read_bytes() for name in FORMATS]
    wave = folder / "wave.wav"
    soundfile.write(wave, np.stack([music(1, 3, SR)] * 2, axis=1), SR, subtype="FLOAT")
    sources.append(wave.read_bytes())
    endings = [Path(name).suffix for name in FORMATS] + [".wav", ".txt", ".raw", ".m4a", ""]
    for number in range(count):
        source = number % len(sources)
        content = bytearray(sources[source])
        kind = rng.integers(5)
        if kind == 0:
            content = content[: rng.integers(len(content))]
        elif kind == 1:
            for place in rng.integers(len(content), size=rng.integers(1, 200)):
                content[place] ^= 1 << rng.integers(8)
        elif kind == 2:  # in the header, which says how much is to come
            for place in rng.integers(min(100, len(content)), size=4):
                content[place] = rng.integers(256)
        elif kind == 3:
            start = rng.integers(len(content))
            content[start : start + 4000] = rng.bytes(4000)
        ending = endings[rng.integers(len(endings)) if kind == 4 else source]
        (folder / f"{number}{ending}").write_bytes(content)
    (folder / "zero.mp3").touch()
    (folder / "nothing.wav").write_bytes(bytes(100_000))
    (folder / "text.flac").write_text("no music\n" * 1000)
    (folder / "folder.mp3").mkdir()
    tag = 10 * 2**20  # of pictures, as some shops sell them
    size = bytes(tag >> shift & 0x7F for shift in (21, 14, 7, 0))
    (folder / "tagged.mp3").write_bytes(b"ID3\x04\0\0" + size + bytes(tag) + sources[0])


def test_hostile_files_cost_a_line_each(run, songs, tmp_path):
    mutations(songs, tmp_path, 200)
    paths = sorted(tmp_path.iterdir())
    started = time.perf_counter()
    code, out, err = run(*paths, "/dev/zero", "--json")
    assert time.perf_counter() - started < 120
    assert code == 1
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["file"] for line in lines] == [*map(str, paths), "/dev/zero"]
    failed = {Path(line["file"]).name: line["error"] for line in lines if "error" in line}
    predicted = {Path(line["file"]).name for line in lines} - failed.keys()
    assert {"zero.mp3", "nothing.wav", "text.flac", "folder.mp3", "zero"} <= failed.keys()
    assert {"tagged.mp3", "wave.wav"} <= predicted
    assert min(len(failed), len(predicted)) > 50  # both happen
    assert all("\n" not in reason for reason in failed.values())
    assert "Traceback" not in err
    assert sum(line.startswith("error: ") for line in err.splitlines()) == len(failed)


def command(*arguments: object, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "spectrogram_feature.predict", *map(str, arguments)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_help_and_missing_files_come_before_tensorflow(tmp_path):
    done = command("--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout
    environment = os.environ | {"FMA_OUTPUT": str(tmp_path)}
    done = command("none.mp3", "no folder", env=environment)
    assert done.returncode == 1
    assert done.stderr == "error: none.mp3: no such file\nerror: no folder: no such file\n"
    code = "import sys, spectrogram_feature.predict; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_without_a_model_the_message_says_how_to_make_one(songs, tmp_path):
    done = command(songs / "a.wav", env=os.environ | {"FMA_OUTPUT": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "python -m spectrogram_feature.training" in done.stderr


def test_a_reader_who_has_had_enough_is_no_error(model, songs):
    options = f"{songs} {songs} --json --model {model}"
    pipeline = f"{sys.executable} -m spectrogram_feature.predict {options} | true"
    done = subprocess.run(
        pipeline, shell=True, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr
