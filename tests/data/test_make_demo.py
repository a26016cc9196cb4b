import hashlib
import json
import subprocess
import sys
from concurrent.futures import Future
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile
from scipy import signal

from common.errors import AudioEmpty, AudioTooShort, AudioUndecodable, UserError
from common.fma.audio import read_audio
from common.fma.dataset import DEMO_MARKER, find_dataset, get_audio_path
from common.fma.genres import ROOT_GENRES
from common.fma.metadata import SPLITS, load
from common.fma.track_plan import plan_tracks
from common.jobs.journal import JOURNAL
from common.jobs.workers import worker_pool
from common.paths import PROJECT_ROOT
from data import make_demo as command
from data.composing.genres import SCALES, STYLES, SUBGENRES
from data.composing.music import (
    INSTRUMENTS,
    SR,
    Drum,
    alternate,
    beat_to_seconds,
    compose,
    make_artist,
    parse_chord,
    perform,
    read_rhythm,
    sounds,
)
from data.make_demo import (
    DAMAGES,
    DEFAULT_TRACKS,
    MAX_TRACKS,
    MIN_TRACKS,
    Recording,
    find_genres,
    make_demo,
    make_plan,
    synthesise,
)


def pure_artist(genre, seed):
    """An artist who borrows nothing from the neighbours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STYLES, genre, STYLES[genre]._replace(openness=0.0))
        return make_artist(genre, np.random.default_rng([seed, 1]))


def pure_notes(genre, seed, seconds=30.0):
    return compose(pure_artist(genre, seed), np.random.default_rng([seed, 2]), seconds)


def record(genre, seed, seconds, channels=1):
    notes, artist = pure_notes(genre, seed, seconds), pure_artist(genre, seed)
    return perform(notes, artist, np.random.default_rng(0), seconds, SR, channels)


def is_drum(name):
    return isinstance(INSTRUMENTS[name], Drum)


# The music


@pytest.mark.parametrize("genre", ROOT_GENRES)
def test_recordings_are_clean(genre):
    samples = synthesise(Recording(77, genre, "training", 3), seed=5, seconds=4.0)
    assert samples.shape == (4 * 44_100, 2)
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 0.901
    assert 0.03 < np.sqrt(np.mean(samples**2)) < 0.4
    assert abs(samples.mean()) < 1e-3


def test_same_seed_same_samples_and_other_seed_other_samples():
    first, again = (synthesise(Recording(100, "Pop", "test", 0), 1, 2.0) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for genre, artist, track_id, seed in (
        ("Pop", 0, 100, 2),
        ("Pop", 0, 101, 1),
        ("Pop", 1, 100, 1),
        ("Rock", 0, 100, 1),
    ):
        recording = Recording(track_id, genre, "test", artist)
        assert not np.array_equal(first, synthesise(recording, seed, 2.0))


def test_the_band_book_is_readable():
    assert set(STYLES) == set(ROOT_GENRES)
    for style in STYLES.values():
        assert set(style.neighbours.split(", ")) <= set(ROOT_GENRES)
        grooves = [groove.split()[1:] for groove in style.grooves]
        drums = [word for groove in grooves for word in groove[::2]]
        assert all(is_drum(name) for name in drums)
        players = [name for part in style.parts for name in part.instruments.split()]
        assert not any(is_drum(name) for name in players)
        rhythms = [part.rhythms.replace(" ", "") for part in style.parts]
        rhythms += [word for groove in grooves for word in groove[1::2]]
        assert set("".join(rhythms)) <= set("xo.")
        assert style.tempo[0] < style.tempo[1]
        for harmony in style.harmonies:
            scale, chords = harmony.split(": ")
            assert scale in SCALES
            assert all(parse_chord(name, 0) for name in chords.split())


def test_chords_and_rhythms():
    assert parse_chord("I", 0) == [0, 4, 7]
    assert parse_chord("ii7", 0) == [2, 5, 9, 12]
    assert parse_chord("bVII5", 2) == [12, 19]
    assert parse_chord("IM7", 7) == [7, 11, 14, 18]
    hits = read_rhythm("x.o.", 1.5)
    assert [beat for beat, _, _ in hits] == [0, 0.5, 1.0]
    assert [length for _, length, _ in hits] == [0.5, 0.5, 0.5]
    assert hits[0][2] > hits[1][2]


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_instruments_sound(name):
    sound = INSTRUMENTS[name](220.0, 0.5, np.random.default_rng(0))
    assert sound.ndim == 1
    assert np.isfinite(sound).all()
    assert 0.05 < np.abs(sound).max() < 12
    if not is_drum(name):
        assert abs(sound[0]) < 0.2  # no click


@pytest.mark.parametrize("name", ["piano", "steel", "sitar", "vibes", "sub"])
@pytest.mark.parametrize("hz", [196.0, 739.99])
def test_instruments_are_in_tune(name, hz):
    sound = INSTRUMENTS[name](hz, 1.0, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**18)) ** 2
    frequency = np.fft.rfftfreq(2**18, 1 / SR)
    near = np.abs(12 * np.log2(np.maximum(frequency, 1) / hz)) < 1
    peak = frequency[near][power[near].argmax()]
    assert abs(1200 * np.log2(peak / hz)) < 12  # cents
    assert power[near].sum() > 0.02 * power.sum()


# Medleys and sub-genres


def test_every_segment_of_a_medley_contains_both_recordings():
    first, second = np.ones((3000, 2), np.float32), np.zeros((3000, 2), np.float32)
    mixed = alternate(first, second, rate=100)
    assert mixed.shape == (3000, 2)
    assert mixed.dtype == np.float32
    assert set(mixed[20:480].ravel()) == {1}
    assert set(mixed[520:980].ravel()) == {0}
    assert np.abs(np.diff(mixed, axis=0)).max() < 0.2  # no clicks
    for start in range(0, 2001, 250):
        assert abs(mixed[start : start + 1000].mean() - 0.5) < 0.01


def test_a_medley_plays_two_artists_of_its_own():
    medley = Recording(100, "Pop", "test", 0, second="Rock")
    samples = synthesise(medley, 1, 11.0)
    assert samples.shape == (11 * 44_100, 2)
    assert np.abs(samples).max() <= 0.901
    pop = synthesise(medley._replace(second=""), 1, 11.0)
    assert not np.array_equal(samples[44_100 : 4 * 44_100], pop[44_100 : 4 * 44_100])
    np.testing.assert_array_equal(samples, synthesise(medley, 1, 11.0))


def test_subgenres_are_instruments_that_play():
    words = {*INSTRUMENTS, "drums", "no drums"}
    assert {root for root, _ in SUBGENRES.values()} <= set(ROOT_GENRES)
    assert {sound for _, sound in SUBGENRES.values()} <= words
    assert not set(SUBGENRES) & set(ROOT_GENRES)
    assert sounds(pure_notes("Spoken", 0)) == {"speech", "no drums"}
    played = sounds(pure_notes("Rock", 0))
    assert {"guitar", "bass", "kick", "drums"} <= played
    assert "no drums" not in played
    assert find_genres(Recording(77, "Blues", "test", 0), 0, 30.0) == ["Blues"]
    *of_rock, blues = find_genres(Recording(77, "Rock", "test", 0, second="Blues"), 0, 30.0)
    assert blues == "Blues"
    assert {SUBGENRES[title][0] for title in of_rock} == {"Rock"}


def test_each_subgenre_of_the_default_set_can_be_learned_and_tested():
    rows = [
        (genre, recording.split)
        for recording in make_plan(DEFAULT_TRACKS, seed=0)
        for genre in find_genres(recording, 0, 30.0)
    ]
    for genre in SUBGENRES:
        training, *held_out = (rows.count((genre, split)) for split in SPLITS)
        assert training >= 10, genre
        assert min(held_out) >= 1, genre


# What makes the genres


def test_electronic_beats_steadily_at_its_tempo():
    notes = pure_notes("Electronic", seed=1, seconds=8.0)
    starts = [note.start for note in notes if note.part.instruments in ("kick", "deep")]
    gap = np.median(np.diff(np.unique(starts)))
    assert 118 * 0.95 <= 60 / gap <= 136 * 1.05
    np.testing.assert_allclose(np.diff(np.unique(starts))[:3], gap)
    # The recording says so too: the onsets of its cymbals are like themselves one beat later.
    high = signal.butter(4, 6000, "highpass", fs=SR, output="sos")
    samples = record("Electronic", 1, 8.0)[: 1600 * 110, 0]
    level = np.abs(signal.sosfilt(high, samples).reshape(1600, -1)).mean(axis=1)
    rise = np.maximum(np.diff(level), 0)
    rise -= rise.mean()
    alike = np.correlate(rise, rise, "full")[len(rise) - 1 :] / np.dot(rise, rise)
    beat = round(SR / 110 * gap)
    assert alike[beat - 2 : beat + 3].max() > 0.4
    assert np.abs(alike[int(beat * 0.6) : int(beat * 0.7)]).max() < 0.15


def test_spoken_is_speech_with_pauses_and_nothing_else():
    notes = pure_notes("Spoken", seed=0, seconds=10.0)
    assert {note.part.instruments for note in notes} == {"speech"}
    samples = record("Spoken", 0, 10.0)
    level = np.sqrt(np.square(samples[: SR * 10 // 1102 * 1102].reshape(-1, 1102)).mean(axis=1))
    assert 0.1 < np.mean(level < 0.1 * level.max()) < 0.8


def test_old_time_is_narrow_and_mono():
    samples = record("Old-Time / Historic", 0, 5.0)[:, 0]
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequency = np.fft.rfftfreq(len(samples), 1 / SR)
    assert power[frequency > 6000].sum() < 1e-4 * power.sum()
    assert power[frequency < 100].sum() < 1e-2 * power.sum()


@pytest.mark.parametrize("genre", ["Classical", "Spoken"])
def test_no_drums(genre):
    for seed in range(5):
        assert not any(is_drum(note.part.instruments) for note in pure_notes(genre, seed))


@pytest.mark.parametrize("genre", ["Rock", "Hip-Hop", "Jazz", "Electronic", "Pop"])
def test_drums(genre):
    notes = [note for seed in range(3) for note in pure_notes(genre, seed)]
    assert any(is_drum(note.part.instruments) for note in notes)


def test_swing_delays_the_second_eighth():
    for genre, low, high in (("Jazz", 0.58, 0.68), ("Electronic", 0.499, 0.501)):
        swing = pure_artist(genre, 0).swing
        on, off, after = (beat_to_seconds(beat, 120, swing) for beat in (4.0, 4.5, 5.0))
        assert low < (off - on) / (after - on) < high


def test_time_never_runs_backwards():
    for genre in ROOT_GENRES:
        swing = pure_artist(genre, 1).swing
        seconds = [beat_to_seconds(beat, 100, swing) for beat in np.linspace(-4, 40, 2000)]
        assert (np.diff(seconds) > 0).all()


def test_blues_has_twelve_bars():
    chords = [harmony.split(": ")[1] for harmony in STYLES["Blues"].harmonies]
    assert all(len(progression.split()) == 12 for progression in chords)


# The plan


@pytest.mark.parametrize("tracks", [MIN_TRACKS, 49, 240, 3000])
def test_plan(tracks):
    plan = make_plan(tracks, seed=3)
    good = [recording for recording in plan if not (recording.damage or recording.second)]
    assert len(good) == tracks
    assert sorted(r.damage for r in plan if r.damage) == sorted(DAMAGES)
    assert {(r.genre, r.split) for r in good} == {(g, s) for g in ROOT_GENRES for s in SPLITS}
    ids = [r.track_id for r in plan]
    assert ids == sorted(set(ids))
    assert min(ids) >= 2
    assert max(ids) < 155_320
    splits = {}
    for recording in good:
        splits.setdefault((recording.genre, recording.artist), set()).add(recording.split)
    assert all(len(found) == 1 for found in splits.values())
    assert make_plan(tracks, seed=3) == plan != make_plan(tracks, seed=4)


@pytest.mark.parametrize("tracks", [MIN_TRACKS, 240])
def test_medleys_pair_neighbours_and_are_in_each_split(tracks):
    medleys = [recording for recording in make_plan(tracks, seed=3) if recording.second]
    assert len(medleys) == round(tracks / 10)
    assert {recording.split for recording in medleys} == set(SPLITS)
    assert len({recording.artist for recording in medleys}) == len(medleys)
    for recording in medleys:
        assert recording.second in STYLES[recording.genre].neighbours.split(", ")
    assert sum(r.genre == "Pop" for r in medleys) == -(-len(medleys) // 2)


def test_plan_is_unequal_as_fma_is():
    recordings = make_plan(240, seed=0)
    plan = [recording for recording in recordings if not (recording.damage or recording.second)]
    counts = {genre: sum(r.genre == genre for r in plan) for genre in ROOT_GENRES}
    assert sorted(counts, key=counts.get)[-2:] == ["Electronic", "Rock"]
    assert counts["Rock"] > 4 * counts["Easy Listening"]
    assert 0.7 < sum(r.split == "training" for r in plan) / len(plan) < 0.85


@pytest.mark.parametrize("tracks", [-1, 0, MIN_TRACKS - 1, MAX_TRACKS + 1])
def test_impossible_numbers_are_refused(tmp_path, tracks):
    with pytest.raises(UserError, match=f"--tracks {tracks} .* {MIN_TRACKS}"):
        make_demo(tmp_path, tracks=tracks)
    with pytest.raises(UserError, match="--seed -1"):
        make_demo(tmp_path, seed=-1)
    assert not list(tmp_path.iterdir())


# The data set


class _InProcess:
    """An executor that works here and now: spawned workers take longer to start than to work."""

    def __init__(self, *_args, fail_after=None):
        self.left = fail_after

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def submit(self, function, *arguments):
        future = Future()
        if self.left == 0:
            future.set_exception(KeyboardInterrupt())
            return future
        if self.left is not None:
            self.left -= 1
        future.set_result(function(*arguments))
        return future


@contextmanager
def quickly():
    """Clips of a second, made in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "CLIP_SECONDS", 1.0)
        patch.setattr(command, "SHORT_SECONDS", 0.2)
        patch.setattr("common.jobs.run.worker_pool", _InProcess)
        yield patch


@pytest.fixture
def quick():
    with quickly() as patch:
        yield patch


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    with quickly():
        make_demo(root, tracks=MIN_TRACKS, seed=7)
    return root


def digests(root):
    return {
        path.relative_to(root): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and path.name != JOURNAL
    }


def test_layout_and_metadata(demo):
    dataset = find_dataset(demo)
    assert dataset.is_demo
    assert dataset.subset == "medium"
    tracks = dataset.tracks()
    medleys = [recording for recording in make_plan(MIN_TRACKS, seed=7) if recording.second]
    assert tracks.shape == (MIN_TRACKS + len(DAMAGES) + len(medleys), 52)
    assert tracks.index.is_monotonic_increasing
    assert all(get_audio_path(dataset.audio_dir, track_id).is_file() for track_id in tracks.index)
    pairs = tracks.groupby(
        [tracks["track", "genre_top"].astype(str), tracks["set", "split"].astype(str)]
    ).size()
    assert len(pairs) == len(ROOT_GENRES) * len(SPLITS)
    splits = tracks["set", "split"].astype(str).groupby(tracks["artist", "id"]).nunique()
    assert (splits == 1).all()
    assert set(tracks["set", "subset"].unique()) == {"small", "medium"}
    assert not tracks["artist", "name"].isna().any()
    assert tracks["track", "date_created"].notna().all()

    genres = load(dataset.metadata_dir / "genres.csv")
    assert list(genres.columns) == ["#tracks", "parent", "title", "top_level"]
    pairs = {recording.track_id: set(recording.root_genres) for recording in medleys}
    for track_id, track in tracks.iterrows():
        listed, with_roots = (set(track["track", name]) for name in ("genres", "genres_all"))
        assert with_roots == listed | set(genres.loc[list(listed), "top_level"])
        top = set(genres.loc[genres.loc[list(listed), "top_level"], "title"])
        assert top == pairs.get(track_id, {track["track", "genre_top"]})
    assert set(tracks.index[tracks["track", "genre_top"].isna()]) == set(pairs)
    roots, below = genres[genres["parent"] == 0], genres[genres["parent"] != 0]
    assert roots["title"].tolist() == list(ROOT_GENRES)
    assert roots.index.tolist() == roots["top_level"].tolist() == list(range(1, 17))
    assert below["parent"].map(genres["title"]).tolist() == [
        SUBGENRES[title][0] for title in below["title"]
    ]
    assert (below["parent"] == below["top_level"]).all()
    counts = tracks["track", "genres_all"].explode().value_counts()
    assert genres["#tracks"].to_dict() == counts.to_dict()
    assert len(plan_tracks(tracks)) == len(tracks) - len(medleys)


def test_columns_are_those_of_fma(demo):
    with (demo / "fma_metadata" / "tracks.csv").open() as file:
        tables, names, index = (next(file).rstrip("\n").split(",") for _ in range(3))
    assert tables == ["", *13 * ["album"], *17 * ["artist"], *2 * ["set"], *20 * ["track"]]
    assert len(names) == 53
    assert names[-20:][7] == "genre_top"
    assert index == ["track_id", *52 * [""]]


def test_good_tracks_sound_and_damaged_ones_are_damaged(demo):
    dataset = find_dataset(demo)
    marker = json.loads((dataset.metadata_dir / DEMO_MARKER).read_text())
    assert marker["synthetic"] is True
    damaged = {track_id: damage for damage, track_id in marker["damaged"].items()}
    assert sorted(damaged.values()) == sorted(DAMAGES)
    reasons = {
        "empty": AudioEmpty,
        "short": AudioTooShort,
        "not_audio": AudioUndecodable,
    }
    for track_id in dataset.tracks([("set", "split")]).index:
        path = get_audio_path(dataset.audio_dir, track_id)
        if track_id in damaged:
            with pytest.raises(reasons[damaged[track_id]]):
                read_audio(path, duration=1.0)
            continue
        samples = read_audio(path, duration=1.0)
        assert len(samples) == 22_050
        assert np.isfinite(samples).all()
        assert 0.001 < np.abs(samples).max() <= 1
    training = make_plan(MIN_TRACKS, seed=7)
    assert all(recording.split == "training" for recording in training if recording.damage)


def test_same_seed_same_files_also_after_an_interruption(quick, demo, tmp_path):
    quick.setattr("common.jobs.run.worker_pool", lambda *_: _InProcess(fail_after=4))
    with pytest.raises(KeyboardInterrupt):
        make_demo(tmp_path, tracks=MIN_TRACKS, seed=7)
    quick.setattr("common.jobs.run.worker_pool", _InProcess)
    assert not (tmp_path / "fma_metadata" / "tracks.csv").exists()
    with pytest.raises(UserError, match="no data set"):
        find_dataset(tmp_path)
    make_demo(tmp_path, tracks=MIN_TRACKS, seed=7)
    assert digests(tmp_path) == digests(demo)


def test_a_second_run_does_nothing_and_another_seed_is_refused(quick, demo):
    before = digests(demo)
    assert "nothing to do" in make_demo(demo, tracks=MIN_TRACKS, seed=7)
    with pytest.raises(UserError, match="seed was 7, now 8"):
        make_demo(demo, tracks=MIN_TRACKS, seed=8)
    with pytest.raises(UserError, match="tracks was 48, now 49"):
        make_demo(demo, tracks=MIN_TRACKS + 1, seed=7)
    assert digests(demo) == before


@pytest.mark.parametrize("name", ["fma_metadata", "fma_small"])
def test_other_data_is_left_alone(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="holds other data"):
        make_demo(tmp_path, tracks=MIN_TRACKS)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_whole_clips_are_the_same_from_a_worker_process(tmp_path):
    recording = next(r for r in make_plan(MIN_TRACKS, 0) if r.genre == "Spoken")
    here = command._write_track((str(tmp_path / "here"), 0, recording))
    with worker_pool(1) as pool:
        argument = (str(tmp_path / "there"), 0, recording)
        there = pool.submit(command._write_track, argument).result()
    assert here == there
    (name,) = here["files"]
    assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    seconds = len(read_audio(tmp_path / "here" / name)) / 22_050
    assert 30 <= seconds < 30.1  # whole frames of MP3


def test_sample_rates_and_channels_vary_as_in_fma(quick, tmp_path):
    recordings = [Recording(i, "Folk", "training", 0) for i in (4, 5, 16, 17, 18, 23)]
    recordings.append(Recording(12, "Old-Time / Historic", "training", 0))
    found = []
    for recording in recordings:
        (name,) = command._write_track((str(tmp_path), 0, recording))["files"]
        with soundfile.SoundFile(tmp_path / name) as file:
            found.append((file.samplerate, file.channels))
    assert found[:3] == [(44_100, 2), (44_100, 1), (48_000, 2)]
    assert found[3:] == [(32_000, 1), (22_050, 1), (44_100, 1), (44_100, 1)]
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == len(recordings)  # nothing temporary is left


def test_the_command_fails_in_one_line(tmp_path):
    script = PROJECT_ROOT / "data" / "make_demo.py"
    command_line = [sys.executable, script, "--tracks", "3", "--out", tmp_path]
    ended = subprocess.run(command_line, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: --tracks 3 does not work")
    assert ended.stderr.count("\n") == 1
