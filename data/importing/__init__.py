"""Recordings of one's own: reading their lists, splitting them by artist, writing FMA's tables."""
