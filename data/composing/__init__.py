"""Composition, synthesis and metadata of the demo set; begin with `genres`, `music` and `sound`."""
