"""Configuration of Sphinx for the report; `tools.report` collects the pages and calls it."""

from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

project = "FMA genre research"
html_title = project
language = "en"
extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_code_prompt_show = "Show code"
nb_code_prompt_hide = "Hide code"
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
html_math_renderer = "mathml"
root_doc = "index"

html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["report.css"]
html_js_files = ["report.js"]
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "navigation_with_keys": False,
    "max_navbar_depth": 1,
    "article_header_end": ["search-button", "toggle-secondary-sidebar"],
    "navbar_persistent": [],
    "footer_content_items": [],
}
html_context = {"default_mode": "light"}  # and no switch: figures are on white
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_show_search_summary = False  # excerpts are fetched, which browsers refuse for file:
html_use_index = False


def setup(app: Sphinx) -> None:
    """Write formulas as MathML, which browsers show without a script from elsewhere."""

    def write(translator: Any, node: nodes.Element, *, as_block: bool) -> None:
        formula = tex2mathml(node.astext(), as_block=as_block)
        translator.body.append(f'<div class="formula">{formula}</div>' if as_block else formula)
        raise nodes.SkipNode

    app.add_html_math_renderer(
        "mathml",
        (lambda translator, node: write(translator, node, as_block=False), None),
        (lambda translator, node: write(translator, node, as_block=True), None),
    )
