"""What is seen to before hours of work: that the disk has room for it."""

from __future__ import annotations

import math
import re
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from fma_for_tests import TINY_FAILURES, TINY_SEGMENTS

from common.errors import UserError
from common.fma.dataset import Dataset
from common.records.tfrecords import Manifest
from spectrogram_feature.features.parameters import FeatureParameters
from spectrogram_feature.generate_records import KIND, generate
from spectrogram_image import TFRecord_generation, spectrogram_generation
from spectrogram_image.convert import KINDS
from spectrogram_image.images.folder import image_path
from spectrogram_image.images.jobs import Task

SECOND = FeatureParameters(segment_seconds=1.0)
SEGMENT_BYTES = math.prod(SECOND.shape)
PLANNED_SEGMENTS = sum(TINY_SEGMENTS.values()) + sum(map(len, TINY_FAILURES.values()))


def run(dataset: Dataset, out: Path) -> Manifest:
    return generate(dataset, out, parameters=SECOND, workers=1, tracks_per_shard=4)


@pytest.fixture
def set_free_space(monkeypatch):
    def set_to(free: float, total: int = 10**12) -> None:
        usage = namedtuple("usage", "total used free")(total, 0, round(free))
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: folder.stat() and usage)

    return set_to


def test_a_small_disk_is_refused_before_anything_is_written(tiny_fma, tmp_path, set_free_space):
    set_free_space(PLANNED_SEGMENTS * SEGMENT_BYTES / 2)
    out = tmp_path / "no" / "such" / "folder"
    with pytest.raises(UserError) as refusal:
        run(tiny_fma, out)
    size = r"\d+\.\d KiB are "
    place = re.escape(str(out))
    assert re.fullmatch(
        rf"records: {size}needed in {place}, {size}free; free some space, .*", str(refusal.value)
    )
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_needs_no_space(tiny_fma, tmp_path, set_free_space):
    made = run(tiny_fma, tmp_path)
    set_free_space(0)
    assert run(tiny_fma, tmp_path) == made
    lost = made.shards["training"][0]
    (tmp_path / lost["name"]).unlink()
    with pytest.raises(UserError, match="0 bytes are free"):
        run(tiny_fma, tmp_path)
    set_free_space(2 * lost["bytes"])
    assert run(tiny_fma, tmp_path) == made


def test_a_disk_that_is_large_enough_but_for_tracks_that_may_be_missing_will_do(
    tiny_fma, tmp_path, set_free_space
):
    set_free_space(0.95 * PLANNED_SEGMENTS * SEGMENT_BYTES)
    assert run(tiny_fma, tmp_path).segments["training"]


def test_a_disk_that_does_not_tell_its_size_will_do(tiny_fma, tmp_path, set_free_space):
    set_free_space(0, total=0)
    assert run(tiny_fma, tmp_path).segments["training"]


def test_records_are_as_large_as_was_estimated(tiny_records):
    manifest = Manifest.read(tiny_records, KIND)
    written = sum(shard["bytes"] for split in manifest.shards.values() for shard in split)
    segments = sum(TINY_SEGMENTS.values())
    assert written == pytest.approx(segments * math.prod(FeatureParameters().shape), rel=0.01)


QUARTER = 620 * 308


def test_images_need_the_space_that_is_told_for_their_kind(tiny_fma, tmp_path, set_free_space):
    set_free_space(0)
    with pytest.raises(UserError, match=r"images: .* are needed in .*, 0 bytes are free"):
        spectrogram_generation.generate(
            tiny_fma, tmp_path / "images", kinds=["cqt"], size="quarter", seconds=1, workers=1
        )
    assert list(tmp_path.iterdir()) == []


def test_records_of_images_need_a_byte_a_pixel(tiny_fma, tmp_path, set_free_space):
    set_free_space(10**12)
    made = spectrogram_generation.generate(
        tiny_fma, tmp_path / "images", kinds=["cqt"], size="quarter", seconds=1, workers=1
    )
    count = sum(made["cqt"].images.values())
    records = tmp_path / "records"
    set_free_space(count * QUARTER / 2)
    with pytest.raises(UserError, match=r"records: .* are needed in .*records, .* are free"):
        TFRecord_generation.generate(tmp_path / "images" / "cqt", records, workers=1)
    assert not records.exists()
    set_free_space(count * QUARTER)
    TFRecord_generation.generate(tmp_path / "images" / "cqt", records, workers=1)


def test_images_that_are_there_need_no_space(tiny_fma, tmp_path):
    parameters = spectrogram_generation.ImageParameters(620, 308, 1.0, 22_050, "magma")
    task = Task(tmp_path, tiny_fma.audio_dir, parameters, tuple(KINDS), (2, 3))
    assert task.size == 2 * replace(task, tracks=(2,)).size > 0
    image = image_path(tmp_path / "log", 2)
    image.parent.mkdir(parents=True)
    image.touch()
    assert task.size < 2 * replace(task, tracks=(3,)).size
