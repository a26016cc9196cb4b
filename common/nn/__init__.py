"""Blocks and layers that the networks of both stages share, SpecAugment among them."""
