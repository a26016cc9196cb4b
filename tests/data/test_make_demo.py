import hashlib
import json
import subprocess
import sys
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from scipy import signal

from common.errors import AudioEmpty, AudioTooShort, AudioUndecodable, UserError
from common.fma.audio import read_audio
from common.fma.dataset import DEMO_MARKER, find_dataset, get_audio_path
from common.fma.genres import ROOT_GENRES
from common.fma.metadata import SPLITS, load
from common.jobs.journal import JOURNAL
from common.jobs.workers import worker_pool
from common.paths import PROJECT_ROOT
from data import make_demo as command
from data.demo.figures import read_rhythm
from data.demo.genres import STYLES
from data.demo.instruments import INSTRUMENTS
from data.demo.metadata import DAMAGES, MAX_TRACKS, MIN_TRACKS, Recording, make_plan
from data.demo.music import compose, make_artist, parse_chord
from data.demo.performance import beat_to_seconds, perform
from data.demo.synthesis import SR
from data.make_demo import make_demo, synthesise


def pure_artist(genre, seed):
    """An artist who borrows nothing from the neighbours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STYLES, genre, replace(STYLES[genre], openness=0.0))
        return make_artist(genre, np.random.default_rng([seed, 1]))


def pure_song(genre, seed, seconds=30.0):
    return compose(pure_artist(genre, seed), np.random.default_rng([seed, 2]), seconds)


def record(song, seconds):
    return perform(song, np.random.default_rng(0), seconds).mean(axis=1)


# The music


@pytest.mark.parametrize("genre", ROOT_GENRES)
def test_recordings_are_clean(genre):
    samples = synthesise(genre, artist=3, track_id=77, seed=5, seconds=4.0)
    assert samples.shape == (4 * SR, 2)
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 0.901
    assert 0.03 < np.sqrt(np.mean(samples**2)) < 0.4
    assert abs(samples.mean()) < 1e-3


def test_same_seed_same_samples_and_other_seed_other_samples():
    first, again = (synthesise("Pop", 0, 100, seed=1, seconds=2.0) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for genre, artist, track_id, seed in (
        ("Pop", 0, 100, 2),
        ("Pop", 0, 101, 1),
        ("Pop", 1, 100, 1),
        ("Rock", 0, 100, 1),
    ):
        assert not np.array_equal(first, synthesise(genre, artist, track_id, seed, 2.0))


def test_the_band_book_is_readable():
    assert set(STYLES) == set(ROOT_GENRES)
    for style in STYLES.values():
        assert set(style.neighbours) <= set(ROOT_GENRES)
        assert all(name in INSTRUMENTS for part in style.parts for name in part.instruments)
        assert all(name in INSTRUMENTS for _, drums in style.grooves for name in drums)
        rhythms = [rhythm for part in style.parts for rhythm in part.rhythms]
        rhythms += [rhythm for _, drums in style.grooves for rhythm in drums.values()]
        assert set("".join(rhythms)) <= set("xo.")
        assert style.tempo[0] < style.tempo[1]


def test_chords_and_rhythms():
    assert parse_chord("I", 0) == (0, 4, 7)
    assert parse_chord("ii7", 0) == (2, 5, 9, 0)
    assert parse_chord("bVII5", 2) == (0, 7)
    assert parse_chord("IM7", 7) == (7, 11, 2, 6)
    hits = read_rhythm("x.o.", 1.5)
    assert [beat for beat, _, _ in hits] == [0, 0.5, 1.0]
    assert [length for _, length, _ in hits] == [0.5, 0.5, 0.5]
    assert hits[0][2] > hits[1][2]


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_instruments_sound(name):
    is_drum = any(name in drums for style in STYLES.values() for _, drums in style.grooves)
    sound = INSTRUMENTS[name](1.0 if is_drum else 220.0, 0.5, np.random.default_rng(0))
    assert sound.ndim == 1
    assert np.isfinite(sound).all()
    assert 0.05 < np.abs(sound).max() < 12
    if not is_drum:
        assert abs(sound[0]) < 0.2  # no click


@pytest.mark.parametrize("name", ["piano", "steel guitar", "sitar", "vibraphone", "sub bass"])
@pytest.mark.parametrize("hz", [196.0, 739.99])
def test_instruments_are_in_tune(name, hz):
    sound = INSTRUMENTS[name](hz, 1.0, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 2**18)) ** 2
    frequency = np.fft.rfftfreq(2**18, 1 / SR)
    near = np.abs(12 * np.log2(np.maximum(frequency, 1) / hz)) < 1
    peak = frequency[near][power[near].argmax()]
    assert abs(1200 * np.log2(peak / hz)) < 12  # cents
    assert power[near].sum() > 0.02 * power.sum()


# What makes the genres


def test_electronic_beats_steadily_at_its_tempo():
    song = pure_song("Electronic", seed=1, seconds=8.0)
    assert 118 * 0.95 <= song.tempo <= 136 * 1.05
    (kick,) = [line for line in song.lines if line.instrument.endswith("kick")]
    beats = np.array([note.beat for note in kick.notes])
    gaps = np.diff(np.unique(beat_to_seconds(song, beats)))
    np.testing.assert_allclose(np.median(gaps), 60 / song.tempo)
    # The recording says so too: the onsets of its cymbals are like themselves one beat later.
    high = signal.butter(4, 6000, "highpass", fs=SR, output="sos")
    level = np.abs(signal.sosfilt(high, record(song, 8.0)[: 1600 * 220]).reshape(1600, -1)).mean(
        axis=1
    )
    rise = np.maximum(np.diff(level), 0)
    rise -= rise.mean()
    alike = np.correlate(rise, rise, "full")[len(rise) - 1 :] / np.dot(rise, rise)
    beat = round(SR / 220 * 60 / song.tempo)
    assert alike[beat - 2 : beat + 3].max() > 0.4
    assert np.abs(alike[int(beat * 0.6) : int(beat * 0.7)]).max() < 0.15


def test_spoken_is_speech_with_pauses_and_nothing_else():
    song = pure_song("Spoken", seed=0, seconds=10.0)
    assert {line.instrument for line in song.lines} == {"speech"}
    samples = record(song, 10.0)
    level = np.sqrt(np.square(samples.reshape(-1, SR // 20)).mean(axis=1))
    assert 0.1 < np.mean(level < 0.1 * level.max()) < 0.8


def test_old_time_is_narrow_and_mono():
    song = pure_song("Old-Time / Historic", seed=0, seconds=5.0)
    stereo = perform(song, np.random.default_rng(0), 5.0)
    assert song.sound.width == 0
    power = np.abs(np.fft.rfft(stereo[:, 0])) ** 2
    frequency = np.fft.rfftfreq(len(stereo), 1 / SR)
    assert power[frequency > 6000].sum() < 1e-4 * power.sum()
    assert power[frequency < 100].sum() < 1e-2 * power.sum()


@pytest.mark.parametrize("genre", ["Classical", "Spoken"])
def test_no_drums(genre):
    for seed in range(5):
        song = pure_song(genre, seed)
        assert not any(line.is_drum for line in song.lines)


@pytest.mark.parametrize("genre", ["Rock", "Hip-Hop", "Jazz", "Electronic", "Pop"])
def test_drums(genre):
    assert any(line.is_drum for seed in range(3) for line in pure_song(genre, seed).lines)


def test_swing_delays_the_second_eighth():
    jazz, electronic = pure_song("Jazz", 0), pure_song("Electronic", 0)
    for song, low, high in ((jazz, 0.58, 0.68), (electronic, 0.499, 0.501)):
        on, off, after = beat_to_seconds(song, np.array([4.0, 4.5, 5.0]))
        assert low < (off - on) / (after - on) < high


def test_time_never_runs_backwards():
    for genre in ROOT_GENRES:
        seconds = beat_to_seconds(pure_song(genre, 1), np.linspace(-4, 40, 2000))
        assert (np.diff(seconds) > 0).all()


def test_blues_has_twelve_bars():
    assert all(len(chords.split()) == 12 for _, chords in STYLES["Blues"].harmonies)


# The plan


@pytest.mark.parametrize("tracks", [MIN_TRACKS, 49, 240, 3000])
def test_plan(tracks):
    plan = make_plan(tracks, seed=3)
    good = [recording for recording in plan if not recording.damage]
    assert len(good) == tracks
    assert sorted(r.damage for r in plan if r.damage) == sorted(DAMAGES)
    assert {(r.genre, r.split) for r in good} == {(g, s) for g in ROOT_GENRES for s in SPLITS}
    ids = [r.track_id for r in plan]
    assert ids == sorted(set(ids))
    assert min(ids) >= 2
    assert max(ids) < 155_320
    splits = {}
    for recording in plan:
        splits.setdefault((recording.genre, recording.artist), set()).add(recording.split)
    assert all(len(found) == 1 for found in splits.values())
    assert make_plan(tracks, seed=3) == plan != make_plan(tracks, seed=4)


def test_plan_is_unequal_as_fma_is():
    plan = [recording for recording in make_plan(240, seed=0) if not recording.damage]
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
        patch.setattr(command, "_SHORT_SECONDS", 0.2)
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
    assert tracks.shape == (MIN_TRACKS + len(DAMAGES), 52)
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
    for _, track in tracks.iterrows():
        top = genres.loc[track["track", "genres_all"], "top_level"].unique()
        assert genres.loc[top, "title"].tolist() == [track["track", "genre_top"]]
        assert set(track["track", "genres"]) <= set(track["track", "genres_all"])
    roots = genres[genres["parent"] == 0]
    assert sorted(roots["title"]) == sorted(ROOT_GENRES)
    assert roots["#tracks"].sum() == len(tracks)


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
    argument = (str(tmp_path / "here"), 0, [recording])
    here = command._write_tracks(argument)
    with worker_pool(1) as pool:
        there = pool.submit(
            command._write_tracks, (str(tmp_path / "there"), *argument[1:])
        ).result()
    assert here == there
    (name,) = here["files"]
    assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    seconds = len(read_audio(tmp_path / "here" / name)) / 22_050
    assert 30 <= seconds < 30.1  # whole frames of MP3


def test_sample_rates_and_channels_vary_as_in_fma(quick, tmp_path):
    found = set()
    for track_id in (11, 22, 23, 24):
        path = tmp_path / f"{track_id}.mp3"
        command._write_audio(path, Recording(track_id, "Folk", "training", 0), seed=0)
        with soundfile.SoundFile(path) as file:
            found.add((file.samplerate, file.channels))
    assert found == {(44_100, 1), (44_100, 2), (48_000, 2)}
    assert len(list(tmp_path.iterdir())) == 4  # nothing temporary is left


def test_the_command_fails_in_one_line(tmp_path):
    script = PROJECT_ROOT / "data" / "make_demo.py"
    command_line = [sys.executable, script, "--tracks", "3", "--out", tmp_path]
    ended = subprocess.run(command_line, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: --tracks 3 does not work")
    assert ended.stderr.count("\n") == 1
