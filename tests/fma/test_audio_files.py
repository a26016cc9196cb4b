"""Searching folders for audio: links, loops, suffixes, and what is skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from common.fma.audio_files import CLOSED, HIDDEN, LOOP, NO_AUDIO, search_folder


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(paths: list[Path], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


@pytest.mark.parametrize("suffix", [".wv", ".mka", ".tta", ".wave", ".mpga", ".MP3", ".m4a"])
def test_audio_is_found_whether_or_not_it_can_be_read(tmp_path, suffix):
    touch(tmp_path, f"a{suffix}")
    assert search_folder(tmp_path).paths == [tmp_path / f"a{suffix}"]


def test_linked_folders_are_searched_once_and_loops_are_not_followed(tmp_path):
    touch(tmp_path, "music/Rock/a.mp3", "elsewhere/b.mp3", "c.mp3")
    music = tmp_path / "music"
    (music / "Jazz").symlink_to(tmp_path / "elsewhere")
    (music / "Again").symlink_to(music / "Rock")
    (music / "Rock" / "up").symlink_to(tmp_path)
    (music / "self").symlink_to(music)
    found = search_folder(music)
    assert names(found.paths, music) == ["Jazz/b.mp3", "Rock/a.mp3"]
    assert names(sorted(found.skipped[LOOP]), music) == ["Again", "Rock/up", "self"]


def test_what_is_skipped_is_counted_and_named(tmp_path):
    touch(tmp_path, "a.mp3", "b.jpg", "c.JPG", "notes", ".d.mp3", ".trash/e.mp3")
    (tmp_path / "gone.mp3").symlink_to(tmp_path / "nowhere.mp3")
    (tmp_path / "itself.mp3").symlink_to(tmp_path / "itself.mp3")
    found = search_folder(tmp_path)
    assert names(found.paths, tmp_path) == ["a.mp3", "gone.mp3", "itself.mp3"]
    counts = {reason: len(paths) for reason, paths in found.skipped.items()}
    assert counts == {HIDDEN: 2, NO_AUDIO: 3}
    text = found.describe_skipped()
    assert "3 not audio (.jpg, notes)" in text
    assert "2 hidden (.d.mp3, .trash)" in text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any folder")
def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    assert search_folder(tmp_path).skipped == {CLOSED: [tmp_path / "closed"]}


def test_names_that_are_not_utf8_are_found(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.mp3")
    path.touch()
    found = search_folder(tmp_path)
    assert found.paths == [path]
    assert found.describe_skipped() == ""
