"""Compose, synthesise and describe the demo set; begin with `genres`, then `music` and `sound`."""
