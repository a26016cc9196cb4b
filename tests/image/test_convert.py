"""What each representation shows, and that its image is what Matplotlib would draw."""

import io
from dataclasses import replace
from functools import cache

import librosa
import librosa.display
import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from common.errors import UserError
from spectrogram_image.convert import KINDS, TEMPO_LIMITS, convert
from spectrogram_image.images.rendering import (
    SIZES,
    encode_png,
    palette,
    render,
    render_indices,
    show,
)
from spectrogram_image.sound import LOWEST_SAMPLE_RATE, Sound, hop_length

FREQUENCY_KINDS = ("linear", "log", "mel", "log-mel", "cqt")
CHROMAGRAMS = ("chroma-stft", "chroma-cqt")
RATES = (48_000, 44_100, 22_050, LOWEST_SAMPLE_RATE)


def tone(rate, seconds, hz=440.0):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


def clicks(rate, seconds, bpm):
    signal = np.zeros(int(rate * seconds), np.float32)
    signal[:: round(60 * rate / bpm)] = 1
    return signal


def music(rate, seconds):
    """Decaying chords with harmonics, clicks and noise."""
    rng = np.random.default_rng(0)
    signal = 0.3 * clicks(rate, seconds, 140) + 1e-3 * rng.normal(size=int(rate * seconds))
    time = np.arange(rate // 2) / rate
    for start in range(0, signal.size, time.size):
        for pitch in 110 * 2 ** (rng.integers(36, size=3) / 12):
            for harmonic in range(1, 12):
                sound = np.sin(2 * np.pi * pitch * harmonic * time) * np.exp(-6 * time) / harmonic
                signal[start : start + time.size] += sound[: signal.size - start]
    return signal


@cache
def picture(kind, rate=48_000, seconds=5.0):
    return convert(music(rate, seconds), rate, kind)


def figure_pixels(representation, size):
    """Draw (height, width, 3) with specshow in a figure that has no axes and no margins."""
    low, high = representation.limits
    figure = Figure(figsize=(size[0] / 100, size[1] / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    librosa.display.specshow(
        representation.values,
        x_coords=representation.seconds,
        y_coords=representation.bins,
        x_axis="time",
        y_axis=representation.axis,
        cmap="magma",
        vmin=low,
        vmax=high,
        ax=axes,
    )
    axes.set_axis_off()
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def middle_peak(representation):
    """Return the bin in which the middle frame is strongest."""
    frame = representation.values[:, len(representation.seconds) // 2]
    return representation.bins[frame.argmax()]


# --- Representations ------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", FREQUENCY_KINDS)
def test_a_tone_peaks_in_the_bin_next_to_it(kind, rate):
    representation = convert(tone(rate, 1.0), rate, kind)
    nearest = representation.bins[np.abs(representation.bins - 440).argmin()]
    assert middle_peak(representation) == nearest
    assert nearest == pytest.approx(440, abs=7)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", CHROMAGRAMS)
@pytest.mark.parametrize(("hz", "pitch_class"), [(440.0, 9), (261.63, 0), (1244.5, 3)])
def test_a_tone_shows_in_its_pitch_class(kind, rate, hz, pitch_class):
    assert middle_peak(convert(tone(rate, 1.0, hz), rate, kind)) == pitch_class


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("bpm", [75, 120])
def test_clicks_show_their_tempo(rate, bpm):
    representation = convert(clicks(rate, 12.0, bpm), rate, "tempogram")
    assert middle_peak(representation) == pytest.approx(bpm, rel=0.015)


@pytest.mark.parametrize("rate", [48_000, 22_050])
@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_librosa(kind, rate):
    samples = music(rate, 5.0)
    hop = hop_length(rate)
    frame = {"sr": rate, "n_fft": 8 * hop, "hop_length": hop}
    if kind in ("linear", "log"):
        power = np.abs(librosa.stft(samples, n_fft=8 * hop, hop_length=hop)) ** 2
        expected = librosa.power_to_db(power, ref=np.max)
    elif kind in ("mel", "log-mel"):
        mel = librosa.feature.melspectrogram(y=samples, n_mels=256, **frame)
        expected = librosa.power_to_db(mel, ref=np.max)
    elif kind == "cqt":
        response = np.abs(librosa.cqt(samples, sr=rate, hop_length=hop))
        expected = librosa.amplitude_to_db(response, ref=np.max)
    elif kind == "chroma-stft":
        expected = librosa.feature.chroma_stft(y=samples, tuning=0, **frame)
    elif kind == "chroma-cqt":
        expected = librosa.feature.chroma_cqt(y=samples, sr=rate, hop_length=hop, tuning=0)
    else:
        onsets = librosa.onset.onset_strength(y=samples, n_mels=256, detrend=True, **frame)
        repetition = librosa.feature.tempogram(
            onset_envelope=onsets, sr=rate, hop_length=hop, win_length=768
        )
        tempi = librosa.tempo_frequencies(768, sr=rate, hop_length=hop)
        seen = np.isin(tempi.round(6), picture(kind, rate, 5.0).bins.round(6))
        expected = np.maximum(repetition[seen][::-1], 0)
    actual = picture(kind, rate, 5.0).values
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, atol=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_librosa_places_bins_and_frames_there(kind):
    representation = picture(kind, 22_050, 5.0)
    count = len(representation.bins)
    np.testing.assert_allclose(
        representation.seconds,
        librosa.times_like(representation.values, sr=22_050, hop_length=256),
    )
    if kind in ("linear", "log"):
        expected = librosa.fft_frequencies(sr=22_050, n_fft=2048)
    elif kind in ("mel", "log-mel"):
        bank = librosa.filters.mel(sr=22_050, n_fft=2**16, n_mels=256)
        expected = librosa.fft_frequencies(sr=22_050, n_fft=2**16)[bank.argmax(axis=1)]
    elif kind == "cqt":
        expected = librosa.cqt_frequencies(84, fmin=librosa.note_to_hz("C1"))
    elif kind == "tempogram":
        assert representation.bins[0] < TEMPO_LIMITS[0] < representation.bins[1]
        assert representation.bins[-2] < TEMPO_LIMITS[1] < representation.bins[-1]
        expected = librosa.tempo_frequencies(768, sr=22_050, hop_length=256)[10:][:count][::-1]
    else:
        expected = np.arange(12)
    np.testing.assert_allclose(representation.bins, expected, atol=0.2)


@pytest.mark.parametrize("length", [1, 700, 22_050, 100_000])
@pytest.mark.parametrize("kind", KINDS)
def test_any_length_gives_matching_axes_and_values_within_limits(kind, length):
    representation = convert(music(22_050, 5.0)[:length], 22_050, kind)
    values, (low, high) = representation.values, representation.limits
    assert representation.kind == kind
    assert values.dtype == np.float32
    assert values.shape == (len(representation.bins), len(representation.seconds))
    assert values.shape[1] == 1 + length // hop_length(22_050)
    assert (np.diff(representation.bins) > 0).all()
    assert low <= values.min() <= values.max() <= high
    if representation.unit == "dB":
        assert values.max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_silence_is_the_lowest_value(kind):
    representation = convert(np.zeros(30_000), 22_050, kind)
    assert (representation.values == representation.limits[0]).all()
    assert not render_indices(representation, (40, 30)).any()


def test_representations_of_one_sound_are_those_of_the_sound_alone():
    sound = Sound(music(22_050, 5.0), 22_050)
    for kind, function in KINDS.items():
        np.testing.assert_array_equal(function(sound).values, picture(kind, 22_050).values)


@pytest.mark.parametrize("gain", [2.0**-100, 2.0**100])
@pytest.mark.parametrize("kind", KINDS)
def test_gain_changes_nothing(kind, gain):
    samples = music(22_050, 1.0)
    expected = convert(samples, 22_050, kind).values
    np.testing.assert_array_equal(convert(gain * samples, 22_050, kind).values, expected)


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros((2, 100)), 48_000, "must be mono and floating-point.* not float64 of shape"),
        (np.zeros(100, np.int16), 48_000, "must be mono and floating-point.* not int16 of shape"),
        (np.zeros(0), 48_000, r"with n > 0, not float64 of shape \(0,\)"),
        (np.array([0.0, np.nan]), 48_000, "must be finite"),
        (np.array([0.0, -np.inf]), 48_000, "must be finite"),
        (np.zeros(100), 8000, "sample_rate must be at least 11025, not 8000"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_mono_sound_is_refused(kind, samples, rate, message):
    with pytest.raises(ValueError, match=message):
        convert(samples, rate, kind)


def test_an_unknown_kind_is_refused_in_one_line():
    with pytest.raises(UserError, match=r"^unknown representation 'sepia': .* linear, log,"):
        convert(tone(48_000, 1.0), 48_000, "sepia")


# --- Images ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_what_the_figure_shows(tf, kind):
    ours, figure = render(picture(kind)), figure_pixels(picture(kind), SIZES["full"])
    grey = [tf.image.rgb_to_grayscale(image) for image in (ours, figure)]
    assert tf.image.ssim(*grey, max_val=255) >= 0.95
    assert (ours == figure).all(axis=-1).mean() > 0.999


@pytest.mark.parametrize("size", [SIZES["quarter"], (333, 100)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_smaller_image_is_too(kind, size):
    representation = picture(kind, 22_050, 5.0)
    ours, figure = render(representation, size), figure_pixels(representation, size)
    assert (ours == figure).all(axis=-1).mean() > 0.995


@pytest.mark.parametrize("kind", KINDS)
def test_low_frequencies_are_at_the_bottom_and_time_runs_to_the_right(kind):
    representation = picture(kind, 22_050, 5.0)
    bins, frames = representation.values.shape
    low, high = representation.limits
    rising = np.linspace(low, high, bins, dtype=np.float32)[:, None]
    later = np.linspace(low, high, frames, dtype=np.float32)[None, :]
    by_height = render_indices(replace(representation, values=rising.repeat(frames, 1)), (50, 60))
    by_time = render_indices(replace(representation, values=later.repeat(bins, 0)), (50, 60))
    assert (np.diff(by_height.astype(int), axis=0) <= 0).all()
    assert by_height[0, 0] > 240 > 15 > by_height[-1, 0]
    assert (np.diff(by_time.astype(int), axis=1) >= 0).all()
    assert by_time[0, -1] > 240 > 15 > by_time[0, 0]


@given(width=st.integers(1, 700), height=st.integers(1, 700), kind=st.sampled_from(list(KINDS)))
def test_any_size_gives_values_of_the_matrix(width, height, kind):
    representation = picture(kind, 22_050, 1.0)
    low, high = representation.limits
    indices = render_indices(representation, (width, height))
    assert indices.shape == (height, width)
    assert indices.dtype == np.uint8
    share = (representation.values - low) / (high - low)
    assert np.isin(indices, np.minimum(256 * share, 255).astype(np.uint8)).all()
    assert render(representation, (width, height)).shape == (height, width, 3)


def test_the_limits_have_the_first_and_the_last_colour():
    representation = picture("cqt", 22_050, 1.0)
    for value, index in ((-80, 0), (-40, 128), (0, 255)):
        flat = np.full_like(representation.values, value)
        assert (render_indices(replace(representation, values=flat), (9, 9)) == index).all()


@pytest.mark.parametrize("cmap", ["magma", "gray", "tab10"])
def test_a_png_holds_the_rendered_image(tf, cmap):
    representation = picture("mel", 22_050, 1.0)
    expected = render(representation, (300, 200), cmap=cmap)
    png = encode_png(render_indices(representation, (300, 200)), cmap)
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.mode) == ("PNG", "P")
    np.testing.assert_array_equal(image.convert("RGB"), expected)
    np.testing.assert_array_equal(tf.io.decode_png(png, channels=3), expected)


def test_a_palette_has_the_colours_of_the_map():
    assert palette("gray").shape == (256, 3)
    np.testing.assert_array_equal(palette("gray"), np.arange(256)[:, None].repeat(3, 1))
    assert len(np.unique(palette("tab10"), axis=0)) == matplotlib.colormaps["tab10"].N
    with pytest.raises(UserError, match="unknown colour map 'mauve': choose one"):
        palette("mauve")


# --- Figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "title", "label", "ticks"),
    [
        ("linear", "Linear-frequency spectrogram (dB)", "Frequency (Hz)", {"0", "2k", "10k"}),
        ("log", "Log-frequency spectrogram (dB)", "Frequency (Hz)", {"0", "100", "10k"}),
        ("mel", "Mel spectrogram (dB)", "Frequency (Hz)", {"500", "1k", "10k"}),
        ("log-mel", "Log-frequency mel spectrogram (dB)", "Frequency (Hz)", {"50", "100", "10k"}),
        ("cqt", "Constant-Q power (dB)", "Note", {"C2", "C7"}),
        ("chroma-stft", "Linear chromagram (0…1)", "Pitch class", {"C", "A"}),
        ("chroma-cqt", "Constant-Q chromagram (0…1)", "Pitch class", {"C", "A"}),
        ("tempogram", "Tempogram (0…1)", "Tempo (BPM)", {"30", "120", "240"}),
    ],
)
def test_a_figure_is_labelled(kind, title, label, ticks):
    axes = show(picture(kind, 22_050, 5.0))
    axes.figure.canvas.draw()
    shown = {text.get_text() for text in axes.get_yticklabels()}
    assert axes.get_title(loc="left") == title
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Time (s)", label)
    assert ticks <= shown
    bar = axes.figure.axes[1]
    assert bar.get_ylabel() == picture(kind).unit


def test_a_figure_can_be_part_of_another():
    axes = Figure().subplots(1, 2)
    assert show(picture("chroma-cqt", 22_050, 1.0), axes[1], colorbar=False) is axes[1]
    assert len(axes[0].figure.axes) == 2
    assert not axes[0].collections
