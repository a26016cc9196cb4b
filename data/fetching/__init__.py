"""Fetch, check and unpack archives; begin with `archives.obtain`."""
