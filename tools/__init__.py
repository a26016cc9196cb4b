"""What keeps the repository in shape: executing notebooks, the report, generated parts of pages.

No result depends on it.
"""
