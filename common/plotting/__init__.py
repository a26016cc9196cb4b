"""Figures, tables and audio players in one style; each function takes data and returns a figure."""
