"""A page that predicts the genres of recordings in the browser, as a folder of static files."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from common import cli
from common.errors import UserError
from common.paths import PROJECT_ROOT, display_path
from common.training.model_files import read_card
from spectrogram_feature.browser.contents import describe, settings
from spectrogram_feature.browser.packages import copy_packages
from spectrogram_feature.inference.default_model import find_model
from spectrogram_feature.inference.onnx_model import SUFFIX, OnnxModel

PAGE = PROJECT_ROOT / "build" / "page"

MODEL = "model.onnx"  # name of the model in the folder

_STATIC = Path(__file__).parent / "browser" / "static"

_FILE_NOTICE = """
if (location.protocol === "file:") addEventListener("DOMContentLoaded", () => {
  const trouble = document.getElementById("trouble");
  trouble.textContent = "Browsers run this page from a server only. In its folder, run " +
    "“python -m http.server” and open http://localhost:8000.";
  trouble.hidden = false;
  document.getElementById("status").textContent = "";
});
"""
"""The only script that browsers run in a page that is opened as a file."""

_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<path fill="#7b3fa0" d="M1 9h4v6H1z"/><path fill="#ef7d00" d="M6 1h4v14H6z"/>'
    '<path fill="#0f8b8d" d="M11 5h4v10h-4z"/></svg>'
)


def build(model: Path, out: Path) -> Path:
    """Write the page of a model to a folder, and return its ``index.html``.

    ``model`` is a ``.keras`` file, which is exported, or an ONNX file of
    `spectrogram_feature.export`. The folder appears when it is complete and replaces an earlier
    page. A `UserError` is raised if it holds anything else, the model predicts several genres a
    track or cannot be exported, or a package cannot be obtained.
    """
    if out.exists() and not (out.is_dir() and (_is_page(out) or not any(out.iterdir()))):
        raise UserError(f"{out} holds something other than a page: choose another folder")
    card = OnnxModel.load(model).card if model.suffix == SUFFIX else read_card(model)
    if card.has_several_genres:
        raise UserError(
            f"{model} predicts several genres a track, and the page shows one: name a model of "
            "spectrogram_feature.training --labels top, or use spectrogram_feature.predict"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        shutil.copytree(_STATIC, temporary)
        (temporary / "packages").mkdir()
        copy_packages(temporary / "packages")  # before the export, which takes longer
        _write_model(model, temporary / MODEL)
        _render(temporary)
        if out.exists():
            shutil.rmtree(out)
        temporary.replace(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out / "index.html"


def _is_page(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("index.html", "worker.js", MODEL))


def _write_model(model: Path, path: Path) -> None:
    if model.suffix == SUFFIX:
        shutil.copyfile(model, path)
        return
    from spectrogram_feature.export import export
    from spectrogram_feature.inference.keras_model import KerasModel

    export(KerasModel.load(model), path, "onnx")


def _render(folder: Path) -> None:
    """Replace the template of a folder by the page of its model."""
    import onnx

    page, model = folder / "index.html", OnnxModel.load(folder / MODEL)
    metadata = {entry.key: entry.value for entry in onnx.load(folder / MODEL).metadata_props}
    contents = describe(model.card, model.parameters, json.loads(metadata.get("summary", "{}")))
    data = settings(model.card, model.parameters) | {"model": MODEL, "accuracy": contents.brief}
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")  # cannot end its element
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    digest = base64.b64encode(hashlib.sha256(_FILE_NOTICE.encode()).digest()).decode()
    content = environment.from_string(page.read_text("utf-8")).render(
        card=contents,
        settings=Markup(text),  # noqa: S704
        inline_script=Markup(_FILE_NOTICE),  # noqa: S704
        inline_hash=f"sha256-{digest}",
        icon=quote(_ICON),
    )
    page.write_text(content, encoding="utf-8")


def main() -> None:
    """Run the command; ``--help`` explains it."""
    parser = cli.make_parser(
        "python -m spectrogram_feature.page",
        "Make a page that predicts the genres of recordings in the browser.\n\n"
        "Writes a folder of static files for any web server. Recordings stay in the browser: it\n"
        "decodes them, and ONNX Runtime's WebAssembly build runs the model. The page shows genres\n"
        "over time, their mean, and what the model's card says about its training and accuracy.\n\n"
        "The first call fetches three packages with npm (35 MB) into data/packages.",
        "  python -m spectrogram_feature.page\n"
        "  python -m spectrogram_feature.page data/models/mine/cnn ~/public/genres\n"
        "  python -m http.server --directory build/page",
    )
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="model.keras, its folder, or an ONNX file of spectrogram_feature.export; by default "
        "that of spectrogram_feature.predict",
    )
    parser.add_argument("out", nargs="?", type=Path, default=PAGE, metavar="OUT", help="folder")
    arguments = parser.parse_args()
    index = build(find_model(arguments.model), arguments.out)
    size = sum(path.stat().st_size for path in index.parent.rglob("*") if path.is_file())
    folder = display_path(index.parent)
    print(
        f"{folder}: {size / 1e6:.1f} MB. To open it: python -m http.server --directory {folder}, "
        "then http://localhost:8000"
    )


if __name__ == "__main__":
    cli.run_command(main)
