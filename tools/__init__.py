"""Tools that maintain the repository: running the notebooks, the report, tables in pages.

No result depends on them. Begin with `tools.notebooks`.
"""
