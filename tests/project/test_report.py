"""The report, built from the committed notebooks and read in a real browser, without a server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

import nbformat
import pytest
from browser_for_tests import DESKTOP, PHONE, launch

from common.errors import UserError
from common.paths import PROJECT_ROOT
from common.plotting.source import show_source
from tools import findings, report
from tools.notebooks import NOTEBOOKS

PAGES = [
    "index.html",
    "search.html",
    "modules/index.html",
    "modules/spectrogram_feature/constant_q.html",
    "results/real_music/README.html",
    "results/fma_small/CNN.html",
    *(name.replace(".ipynb", ".html") for name in NOTEBOOKS),
]


*_, FORMULAS, LONG_TABLE = NOTEBOOKS
"""Notebooks that show these in the small report."""


def run(*arguments: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tools.report", *map(str, arguments)]
    return subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "site"
    built = run("--notebooks", PROJECT_ROOT, "--out", out)
    assert (built.returncode, built.stderr) == (0, "")  # no warning of Sphinx either
    assert built.stdout.endswith(f"{out / 'index.html'}\n")
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with launch() as started:
        yield started


@pytest.fixture(params=[PHONE, DESKTOP], ids=["phone", "desktop"])
def page(browser, request) -> Iterator:
    """Open an empty page that notes in `troubles` whatever goes wrong on it."""
    width, height = request.param
    opened = browser.new_page(viewport={"width": width, "height": height})
    opened.troubles = troubles = []
    opened.on("console", lambda m: m.type in ("error", "warning") and troubles.append(m.text))
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("requestfailed", lambda request: troubles.append(f"failed: {request.url:.100}"))
    opened.on(
        "request",
        lambda request: (
            urlparse(request.url).scheme not in ("file", "data")
            and troubles.append(f"foreign: {request.url:.100}")
        ),
    )
    yield opened
    opened.close()


on_a_desktop = pytest.mark.parametrize("page", [DESKTOP], ids=["desktop"], indirect=True)


def test_no_page_loads_anything_from_elsewhere(site):
    pages = {file: file.read_text(encoding="utf-8") for file in site.rglob("*.html")}
    assert len(pages) > len(PAGES)
    foreign = re.compile(r'<(?!a )[^>]+(?:src|href)="(?:https?:)?//[^>]+>')
    assert {
        str(file): found for file, text in pages.items() if (found := foreign.search(text))
    } == {}


def visit(page, file: Path) -> None:
    page.goto(file.as_uri(), wait_until="load")


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_whole_and_fits_the_screen(page, site, name):
    visit(page, site / name)
    assert page.troubles == []
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) == 0
    empty = "[...document.images].filter(i => !(i.naturalWidth && i.width)).map(i => i.outerHTML)"
    assert page.evaluate(empty) == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_all_figures_and_players_of_a_notebook_are_there_and_play(page, site, name):
    notebook = nbformat.read(PROJECT_ROOT / name, as_version=4)
    outputs = [o.get("data", {}) for cell in notebook.cells for o in cell.get("outputs", [])]
    visit(page, site / name.replace(".ipynb", ".html"))
    figures = page.locator(".cell_output img[src*='_images/']").count()
    assert figures == sum("image/png" in output for output in outputs)
    durations = page.evaluate(
        """() => Promise.all([...document.querySelectorAll("audio")].map(audio =>
            audio.duration || new Promise(resolve => {
                audio.addEventListener("loadedmetadata", () => resolve(audio.duration));
                audio.addEventListener("error", () => resolve(0));
            })))"""
    )
    assert len(durations) == sum(output.get("text/html", "").count("<audio") for output in outputs)
    assert all(duration > 1 for duration in durations)


@on_a_desktop
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_tables_fit_a_desktop_s_page(page, site, name):
    visit(page, site / name.replace(".ipynb", ".html"))
    wide = """[...document.querySelectorAll(".cell_output table")].map(table => table.parentElement)
        .filter(box => box.scrollWidth > box.clientWidth).map(box => box.innerText.slice(0, 80))"""
    assert page.evaluate(wide) == []


@pytest.mark.parametrize("page", [PHONE], ids=["phone"], indirect=True)
def test_figures_on_a_phone_are_large_enough_to_read_and_scroll_in_their_boxes(page, site):
    visit(page, site / "spectrogram_feature" / "Training.html")
    widths = page.evaluate("[...document.querySelectorAll('.figure-link img')].map(i => i.width)")
    assert widths and min(widths) >= 36 * 16
    boxes = page.evaluate("[...document.querySelectorAll('.figure-link')].map(a => a.clientWidth)")
    assert max(boxes) < PHONE[0]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        *((name, "the synthetic demo set") for name in NOTEBOOKS),
        ("results/fma_small/CNN.ipynb", "FMA small"),
    ],
)
def test_a_page_names_its_data_in_the_first_line(site, name, data):
    text = (site / name.replace(".ipynb", ".html")).read_text(encoding="utf-8")
    assert re.search(rf"</h1>\s*<blockquote>\s*<div><p><strong>Data:</strong> {data}", text)


@on_a_desktop
def test_the_front_page_shows_findings_notebooks_and_limits(page, site):
    visit(page, site / "index.html")
    text = page.locator("article").inner_text()
    headings = ["The question", "The pictures", "The answer", "The notebooks", "Try it", "Limits"]
    assert page.locator("section h2").all_inner_texts() == headings
    for answer in findings.answers(PROJECT_ROOT / "results"):
        assert answer.replace("*", "").replace("`", "") in text
    captions = page.locator("figcaption").all_inner_texts()
    assert [caption.split(",")[0].split(".")[0] for caption in captions] == [
        "Synthetic demo set", "FMA small", "Real music", "FMA small",
    ]  # fmt: skip
    assert "a track has one genre" in text
    rows = page.locator(".notebook").all_inner_texts()
    assert [row.strip().partition(":")[0] for row in rows] == [
        f"{number}. {Path(name).stem}" for number, name in enumerate(NOTEBOOKS, start=1)
    ]
    shown = page.evaluate("[...document.querySelectorAll('.notebook img')].map(i => i.src)")
    assert len(shown) == len(NOTEBOOKS)
    assert all(Path(unquote(urlparse(url).path)).stat().st_size < 80_000 for url in shown)
    page.locator(".notebook", has_text="CNN").get_by_role("link", name="FMA small").click()
    assert page.url.endswith("results/fma_small/CNN.html")


def links(page) -> list[str]:
    return page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href)")


@on_a_desktop
def test_links_lead_to_files_and_places_that_exist(page, site):
    seen: dict[str, set[str]] = {}
    wanted: dict[str, str] = {}
    for name in PAGES:
        visit(page, site / name)
        url = urldefrag(page.url).url
        seen[url] = set(page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)"))
        wanted |= {link: name for link in links(page) if link.startswith("file:")}
    assert len(wanted) > len(PAGES)
    for link, name in wanted.items():
        target, place = urldefrag(link)
        assert Path(unquote(urlparse(target).path)).is_file(), f"{name} links to {link}"
        assert not place or place in seen.get(target, {place}), f"{name} links to {link}"


@on_a_desktop
def test_the_next_page_is_the_next_notebook_in_the_order_of_reading(page, site):
    visit(page, site / "index.html")
    for name in NOTEBOOKS:
        page.locator("a.right-next").click()
        assert unquote(page.url).endswith(name.replace(".ipynb", ".html"))
    for name in reversed(NOTEBOOKS[:-1]):
        page.locator("a.left-prev").click()
        assert unquote(page.url).endswith(name.replace(".ipynb", ".html"))


def test_code_is_shown_unless_its_cell_is_tagged(page, site):
    name = "spectrogram_feature/Training.ipynb"
    notebook = nbformat.read(PROJECT_ROOT / name, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    wanted = ["hide-input" not in cell.metadata.get("tags", []) for cell in cells]
    assert 0 < wanted.count(False) < len(wanted) / 3
    visit(page, site / name.replace(".ipynb", ".html"))
    code = page.locator(".cell_input")

    def visible():
        return [code.nth(i).is_visible() for i in range(code.count())]

    assert visible() == wanted
    page.get_by_text("Show code").first.click()
    assert visible().count(False) == wanted.count(False) - 1
    page.get_by_role("button", name="Show all code").click()
    assert all(visible())
    page.get_by_role("button", name="Hide all code").click()
    assert visible() == wanted


@pytest.fixture(scope="module")
def small_site(tmp_path_factory) -> Path:
    """Build a report of notebooks of two cells, without pages of modules, over an earlier one."""
    folder = tmp_path_factory.mktemp("small")
    write_notebooks(folder, "Data set: FMA medium")
    path = folder / FORMULAS
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source += "\n\nAn $x_i$ and\n\n$$\\frac{a}{b}$$"
    data = show_source(show_source).data
    output = nbformat.v4.new_output("display_data", {"text/markdown": data})
    notebook.cells[1].outputs.append(output)
    nbformat.write(notebook, path)
    path = folder / LONG_TABLE
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].metadata["tags"] = ["hide-output"]
    nbformat.write(notebook, path)
    site = folder / "site"
    site.mkdir()
    (site / "earlier.html").touch()
    (site / ".buildinfo").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "MODULE_FOLDERS", ())  # their pages take most of the time
        assert report.build(folder, site) == site / "index.html"
    return site


def test_a_long_table_is_a_click_away(page, small_site):
    visit(page, small_site / LONG_TABLE.replace(".ipynb", ".html"))
    output = page.locator(".cell_output")
    assert page.locator(".cell_input").is_visible() and not output.is_visible()
    page.get_by_text("Show the whole table").click()
    assert output.is_visible()


def test_formulas_and_sources_are_shown_without_a_script(page, small_site):
    visit(page, small_site / FORMULAS.replace(".ipynb", ".html"))
    assert page.troubles == []
    assert page.locator("math").count() == 2
    assert page.locator("math mfrac").is_visible()
    assert page.locator(".cell_output .highlight-python .k").first.inner_text() == "def"


@on_a_desktop
def test_a_click_on_a_figure_opens_it_in_its_own_size(page, site):
    visit(page, site / "spectrogram_feature" / "Training.html")
    figure = page.locator(".cell_output img").first
    width = figure.evaluate("figure => figure.naturalWidth")
    figure.click()
    assert page.url.endswith(".png")
    assert page.locator("img").evaluate("figure => figure.naturalWidth") == width


@on_a_desktop
def test_files_that_a_text_names_are_links_to_their_pages(page, site):
    visit(page, site / "spectrogram_feature" / "Training.html")
    targets = [unquote(link) for link in links(page)]
    assert (site / "spectrogram_feature" / "Full Data Pipeline.html").as_uri() in links(page)
    assert any(t.endswith("modules/spectrogram_feature/models.html") for t in targets)


@on_a_desktop
def test_search_finds_a_page_without_a_server(page, site):
    page.goto(f"{(site / 'search.html').as_uri()}?q=silhouette")
    page.locator("#search-results li a").first.wait_for()
    found = page.locator("#search-results li a").all_inner_texts()
    assert any("Genre confusion" in title for title in found)
    assert page.troubles == []


def write_notebooks(folder: Path, first_line: str) -> None:
    for name in NOTEBOOKS:
        output = nbformat.v4.new_output("stream", text=f"{first_line}\n")
        cells = [
            nbformat.v4.new_markdown_cell(f"# {Path(name).stem}: what it shows"),
            nbformat.v4.new_code_cell("print(dataset.notice)", outputs=[output]),
        ]
        (folder / name).parent.mkdir(exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / name)


def test_a_new_report_replaces_the_earlier_one_and_names_the_real_data_set(small_site):
    index = (small_site / "index.html").read_text(encoding="utf-8")
    assert not (small_site / "earlier.html").exists()
    assert "<strong>Data:</strong> FMA medium." in index
    assert "what it shows" in index
    assert "the synthetic demo set" not in index


def test_a_report_replaces_nothing_but_a_report(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "_collect", lambda notebooks, sources: pytest.fail("went on"))
    (tmp_path / "thesis.html").write_text("years of work")
    with pytest.raises(UserError, match="something other than a report; choose another folder"):
        report.build(PROJECT_ROOT, tmp_path)
    assert (tmp_path / "thesis.html").read_text() == "years of work"


def test_missing_and_broken_notebooks_cost_a_line_and_leave_nothing(call, tmp_path):
    failed = call(report.main, "--notebooks", tmp_path, "--out", tmp_path / "site")
    assert failed.returncode == 1
    assert failed.stderr == (
        f"error: {tmp_path / NOTEBOOKS[0]}: there is no such notebook; make run executes them all\n"
    )
    assert list(tmp_path.iterdir()) == []
    (tmp_path / NOTEBOOKS[0]).parent.mkdir()
    (tmp_path / NOTEBOOKS[0]).write_text("not JSON")
    with pytest.raises(UserError, match=r"Visualization\.ipynb is not a notebook"):
        report.build(tmp_path, tmp_path / "site")


def test_the_notebooks_of_a_whole_run_on_the_current_data_set_are_preferred(
    tiny_fma, tmp_path, monkeypatch
):
    monkeypatch.setenv("FMA_ROOT", str(tiny_fma.root))
    monkeypatch.setattr(report, "EXECUTED", tmp_path)
    folder = tmp_path / tiny_fma.name
    folder.mkdir()
    write_notebooks(folder, "Data set: tiny")
    assert report.choose_notebooks() == folder
    (folder / NOTEBOOKS[-1]).unlink()
    assert report.choose_notebooks() == PROJECT_ROOT


def test_without_any_data_the_committed_notebooks_are_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("FMA_ROOT", str(tmp_path))
    assert report.choose_notebooks() == PROJECT_ROOT
