"""Composition and synthesis of the demo set; begin with `genres`, then `music`."""
