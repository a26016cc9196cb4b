"""Figures, tables and audio players in one style.

Figure functions take data and return a figure; they show and print nothing. Begin with `style`.
"""
