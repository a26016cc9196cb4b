"""How Sphinx builds the report; `tools.report` collects the pages and calls it."""

project = "FMA genre research"
html_title = project
language = "en"
extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_code_prompt_show = "Show code"
nb_code_prompt_hide = "Hide code"
myst_heading_anchors = 3
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
