"""How commands end: a line that says what to do, and an exit code."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tomllib

import pytest

from common.cli import make_parser, run_command
from common.errors import AudioMissing, UserError
from common.paths import PROJECT_ROOT
from common.training.options import TrainingOptions
from tools.commands import COMMANDS


def raises(error: BaseException):
    def main() -> None:
        raise error

    return main


def end(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Give a failing command's exit code and what it said."""
    with pytest.raises(SystemExit) as exit_:
        run_command(raises(error))
    output = capsys.readouterr()
    assert output.out == ""
    return exit_.value.code, output.err


def test_command_that_succeeds_says_nothing(capsys):
    run_command(lambda: None)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("no data in x: get some"), "error: no data in x: get some\n"),
        (AudioMissing("a.mp3", "no such file"), "error: a.mp3: no such file\n"),
    ],
)
def test_mistake_of_the_user_is_one_line_and_code_1(capsys, error, line):
    assert end(error, capsys) == (1, line)


def test_interruption_says_that_nothing_is_lost(capsys):
    code, line = end(KeyboardInterrupt(), capsys)
    assert code == 130
    assert line.startswith("interrupted: what is finished is kept")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission denied"),
        (errno.ENOTDIR, "a file exists where a folder is needed"),
    ],
)
def test_trouble_with_the_disk_is_one_line_that_names_the_file(capsys, number, words):
    code, line = end(OSError(number, "trouble", "/records/a.tfrecord"), capsys)
    assert code == 1
    assert line.startswith("error: /records/a.tfrecord: ")
    assert words in line
    assert line.count("\n") == 1


def test_trouble_with_the_disk_without_a_file_is_told_too(capsys):
    code, line = end(OSError(errno.ENOSPC, "no space"), capsys)
    assert code == 1
    assert line.startswith("error: the disk is full")


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(errno.EIO, "trouble")])
def test_bug_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        run_command(raises(error))


def test_folder_that_is_a_file_is_one_line(capsys, tmp_path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(SystemExit) as exit_:
        run_command(lambda: path.mkdir(parents=True, exist_ok=True))
    assert exit_.value.code == 1
    assert f"{path}: a file exists where a folder is needed" in capsys.readouterr().err


def test_help_shows_description_defaults_and_examples():
    parser = make_parser("python -m x", "Do this.\n\nThen that.", "  python -m x --size 3")
    parser.add_argument("--size", type=int, default=7, help="how large")
    text = parser.format_help()
    assert "Do this.\n\nThen that." in text
    assert "how large (default: 7)" in text
    assert text.endswith("examples:\n  python -m x --size 3\n")


def parse(*arguments: str) -> TrainingOptions:
    parser = make_parser("x", "x", "x")
    TrainingOptions.add_to(parser)
    return TrainingOptions.from_arguments(parser.parse_args(arguments))


def test_training_options_default_to_those_of_the_class():
    assert parse() == TrainingOptions()


def test_training_options_are_taken_from_the_command_line():
    options = parse("--epochs", "3", "--learning-rate", "0.5", "--seed", "9")
    assert options == TrainingOptions(epochs=3, learning_rate=0.5, seed=9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--epochs", "0"), "epochs = 0 must be 1 or more"),
        (("--learning-rate", "-1"), "learning_rate = -1.0 must be 0 or more"),
        (("--learning-rate", "nan"), "learning_rate = nan must be 0 or more"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        parse(*arguments)


@pytest.mark.parametrize(
    "arguments", [("--epochs", "2.5"), ("--epochs", "many"), ("--epoks", "3"), ("--batch", "x")]
)
def test_unknown_options_and_wrong_types_end_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        parse(*arguments)
    assert exit_.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("option", [{"epochs": 2.0}, {"epochs": True}, {"learning_rate": "0.1"}])
def test_wrong_types_are_refused_from_python_too(option):
    with pytest.raises(UserError, match="must be of type"):
        TrainingOptions(**option)


def test_unknown_options_are_refused_from_python_too():
    with pytest.raises(TypeError, match="epoks"):
        TrainingOptions(epoks=3)


def test_option_that_is_whole_is_a_number_too():
    assert TrainingOptions(learning_rate=1).learning_rate == 1


def test_command_line_needs_no_tensorflow():
    code = (
        "import sys, common.cli, common.jobs.run, common.records.tfrecords, "
        "common.training.options, "
        "common.training.model_files, spectrogram_feature.generate_records, "
        "spectrogram_feature.features.records; "
        "print(sorted({'tensorflow', 'keras', 'librosa', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


PRINTS = """
import sys
from common.cli import run_command
from common.errors import UserError
from tqdm import tqdm

def main():
    print("█████ 95 % – ±1.5 × → Sigur Rós, Łódź, 音楽.mp3 \\udcff")
    for _ in tqdm(range(3), desc="Übung", file=sys.stderr):
        pass
    raise UserError("no file café–音.mp3")

run_command(main)
"""


@pytest.mark.parametrize(
    ("variables", "printed", "named"),
    [
        (
            {"PYTHONIOENCODING": "ascii"},
            r"##### 95 % - +-1.5 x -> Sigur R\xf3s, \u0141\xf3d\u017a, \u97f3\u697d.mp3 \udcff",
            r"no file caf\xe9-\u97f3.mp3",
        ),
        (
            {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
            r"##### 95 % - +-1.5 x -> Sigur R\xf3s, \u0141\xf3d\u017a, \u97f3\u697d.mp3 \udcff",
            r"no file caf\xe9-\u97f3.mp3",
        ),
        (
            {"PYTHONIOENCODING": "latin-1"},
            r"##### 95 % - ±1.5 × -> Sigur Rós, \u0141ód\u017a, \u97f3\u697d.mp3 \udcff",
            r"no file café-\u97f3.mp3",
        ),
        (
            {"PYTHONIOENCODING": "utf-8"},
            r"█████ 95 % – ±1.5 × → Sigur Rós, Łódź, 音楽.mp3 \udcff",
            "no file café–音.mp3",
        ),
    ],
    ids=["ascii", "C", "latin-1", "utf-8"],
)
def test_text_is_printed_in_any_encoding(tmp_path, variables, printed, named):
    script = tmp_path / "prints.py"
    script.write_text(PRINTS, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT), **variables}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, check=False
    )
    encoding = variables.get("PYTHONIOENCODING", "ascii")
    assert done.returncode == 1
    assert done.stdout.decode(encoding) == f"{printed}\n"
    bar, error = done.stderr.decode(encoding).splitlines()[-2:]
    assert "100%|" in bar
    assert error == f"error: {named}"


AS_PIP_WRITES_IT = """
import sys
from tools.commands import main
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def script(tmp_path):
    """Return a function that runs a console script in a folder whose files hide the project's."""
    folder = tmp_path / "music"
    folder.mkdir()
    for name in ("common", "data", "fma", "fma_utils", "tools", "spectrogram_feature"):
        (folder / f"{name}.py").write_text("raise SystemExit('the wrong module')")

    def run_script(name: str, *arguments: str) -> subprocess.CompletedProcess:
        path = tmp_path / name
        path.write_text(AS_PIP_WRITES_IT)
        return subprocess.run(
            [sys.executable, path, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run_script


def test_every_command_of_the_package_has_a_module():
    package = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    assert package["scripts"] == dict.fromkeys(COMMANDS, "tools.commands:main")


@pytest.mark.parametrize("name", COMMANDS)
def test_console_script_ignores_the_files_of_the_current_folder(script, name):
    done = script(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {name} ")


def test_worker_processes_of_a_console_script_ignore_the_current_folder(script, tiny_fma, tmp_path):
    out = tmp_path / "records"
    done = script(
        "fma-records",
        "--root",
        str(tiny_fma.root),
        "--out",
        out,
        "--workers",
        "2",
        "--subset",
        "medium",
    )
    assert done.returncode == 0, done.stderr
    assert (out / "manifest.json").exists()
