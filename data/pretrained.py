"""Convert the weights in the published package musicnn to Keras weights files."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from common.cli import make_parser, run_command
from common.errors import UserError
from common.jobs.files import atomic_write
from common.paths import PROJECT_ROOT, display_path
from common.quiet import import_tensorflow

REQUIREMENT = "musicnn==0.1.0"
WHEEL = "musicnn-0.1.0-py3-none-any.whl"
SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
"""SHA-256 of the wheel of the last release, August 2019, on pip's default index."""

_FOLDER = PROJECT_ROOT / "data" / "pretrained"

_DESCRIPTION = """\
Obtain the weights of musicnn, a pretrained network that tags music (J. Pons and X. Serra 2019).

Fetches the package musicnn 0.1.0 with pip (29 MB; ISC licence) without installing it, checks its
SHA-256, and writes two files to data/pretrained/ for each of MSD_musicnn and MTT_musicnn:
NAME.weights.h5 (3 MB), which spectrogram_feature.musicnn loads, and NAME.tags.json, the names of
the 50 tags. Existing files are kept.

Without a connection, put the wheel into data/pretrained/ and run this command."""

_EXAMPLES = "  python data/pretrained.py"


def obtain_wheel(folder: Path) -> Path:
    """Fetch the wheel into `folder` unless it exists, and check its SHA-256."""
    wheel = folder / WHEEL
    if not wheel.exists():
        _download(folder)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != SHA256:
        raise UserError(
            f"{display_path(wheel)} is not musicnn 0.1.0 as published: its SHA-256 is {digest}, "
            f"expected {SHA256}; delete it and run the same command again"
        )
    return wheel


def _download(folder: Path) -> None:
    """Fetch the wheel with pip, without its dependencies, which do not support this Python."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
    download = ["download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    done = subprocess.run([*pip, *download, REQUIREMENT], capture_output=True, text=True)
    if done.returncode or not (folder / WHEEL).exists():
        reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise UserError(
            f"pip cannot fetch {REQUIREMENT} ({reason}): connect to a network, or put {WHEEL} into "
            f"{display_path(folder)} and run the same command again"
        )


def convert(wheel: Path, checkpoint: str) -> None:
    """Write the weights and tags of one of `spectrogram_feature.musicnn.pretrained.CHECKPOINTS`.

    Raises `UserError` with the variable's name if the checkpoint does not fit the network.
    """
    from spectrogram_feature.musicnn import pretrained

    path = pretrained.weights_path(checkpoint)
    network = pretrained.musicnn()
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(wheel) as archive:
        prefix = Path(scratch) / checkpoint
        for ending in ("index", "data-00000-of-00001"):
            # In the wheel, the file names have no stem.
            content = archive.read(f"musicnn/{checkpoint}/.{ending}")
            prefix.with_suffix(f".{ending}").write_bytes(content)
        pretrained.read_checkpoint(network, prefix)
        tags = read_labels(archive.read("musicnn/configuration.py").decode(), checkpoint)
    with atomic_write(pretrained.tags_path(checkpoint)) as file:
        file.write(json.dumps(tags, indent=1).encode() + b"\n")
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        network.save_weights(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_labels(source: str, checkpoint: str) -> list[str]:
    """Parse the tags of a network from the source of ``musicnn.configuration``."""
    wanted = f"{checkpoint.partition('_')[0]}_LABELS"
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == wanted:
            return ast.literal_eval(statement.value)
    raise UserError(f"musicnn's configuration has no {wanted}: it is not musicnn 0.1.0")


def main() -> None:
    """Run the command; ``--help`` explains it."""
    make_parser("python data/pretrained.py", _DESCRIPTION, _EXAMPLES).parse_args()
    import_tensorflow()
    from spectrogram_feature.musicnn import pretrained

    missing = [
        name
        for name in pretrained.CHECKPOINTS
        if not (pretrained.weights_path(name).exists() and pretrained.tags_path(name).exists())
    ]
    _FOLDER.mkdir(parents=True, exist_ok=True)
    if missing:
        with tempfile.TemporaryDirectory() as scratch:
            wheel = obtain_wheel(_FOLDER if (_FOLDER / WHEEL).exists() else Path(scratch))
            for checkpoint in missing:
                convert(wheel, checkpoint)
    for checkpoint in pretrained.CHECKPOINTS:
        path = pretrained.weights_path(checkpoint)
        state = "written" if checkpoint in missing else "exists"
        print(f"{display_path(path)}: {state}, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_command(main)
