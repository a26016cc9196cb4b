"""Composition and synthesis of the demo set; begin with `genres`, `music` and `sound`."""
