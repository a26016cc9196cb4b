import numpy as np
import pytest
from several_genres_for_tests import ROUNDS, write_several_genres

from common.errors import UserError
from common.fma.metadata import SPLITS
from common.records.segments import Segments
from spectrogram_feature.features.records import FeatureRecords
from spectrogram_feature.import_features import generate


@pytest.fixture(scope="module")
def folders(tmp_path_factory, tf):
    """Records of the same tracks with each kind of labels."""
    folder = tmp_path_factory.mktemp("several")
    source = write_several_genres(folder)
    made = {}
    for labels in ("top", "roots", "all"):
        made[labels] = folder / labels
        generate(source, made[labels], labels=labels, min_tracks=1, workers=1, tracks_per_shard=4)
    return made


def read(records):
    """Features and genres of each track of each split."""
    found = {}
    for split in SPLITS:
        segments = Segments.join(records.arrays(split))
        genres = [
            frozenset(np.array(records.manifest.genres)[own].tolist())
            for own in records.manifest.targets[segments.label]
        ]
        for i, track in enumerate(segments.track_id.tolist()):
            found[split, track] = (genres[i], segments.features[i].tobytes())
    return found


@pytest.mark.parametrize(("finer", "labels"), [("all", "roots"), ("all", "top"), ("roots", "top")])
def test_coarser_labels_equal_records_made_with_them(folders, finer, labels):
    records = FeatureRecords.open(folders[finer]).with_labels(labels)
    made = FeatureRecords.open(folders[labels])
    assert read(records) == read(made)
    for name in ("genres", "labels", "parents", "label_sets", "segments", "tracks", "by_label"):
        assert getattr(records.manifest, name) == getattr(made.manifest, name), name
    for split in SPLITS:
        batches = records.batches(split, batch_size=3, training=True)
        assert len(batches) == records.manifest.size("segments", split) // 3
        assert sum(len(labels) for _, labels in batches) == 3 * len(batches)
    plan = records.plan()
    assert plan["genre"].equals(made.plan()["genre"])
    assert plan["label"].equals(made.plan()["label"])


def test_counts_are_of_genres_and_sizes_of_segments(folders):
    manifest = FeatureRecords.open(folders["all"]).manifest
    assert manifest.size("segments", "training") == 7 * ROUNDS["training"]
    assert manifest.segments["test"] == {
        "Folk": 4, "Freak-Folk": 2, "Rock": 5, "Punk": 3, "Hardcore": 1
    }  # fmt: skip
    assert manifest.counts("tracks", "training") == [12, 6, 15, 9, 3]


def test_folds_of_records_have_their_own_counts(folders):
    from common.records.segments import MemoryRecords

    records = FeatureRecords.open(folders["all"])
    segments = Segments.read(records)
    half = segments.of(np.arange(1, 8))
    divided = MemoryRecords.divide(records, {"training": half, "validation": half, "test": half})
    assert divided.manifest.size("tracks", "training") == 7
    assert divided.manifest.counts("tracks", "training") == [4, 2, 5, 3, 1]


def test_finer_labels_are_refused(folders):
    records = FeatureRecords.open(folders["top"])
    assert records.with_labels("top") is records
    with pytest.raises(UserError, match="make them again with --labels all"):
        records.with_labels("all")


def test_settings_tell_the_labels_apart(folders):
    records = FeatureRecords.open(folders["all"])
    settings = [records.with_labels(labels).settings for labels in ("top", "roots", "all")]
    assert len({str(one) for one in settings}) == 3
