"""Blocks and layers of the networks of both stages, and SpecAugment. Begin with `blocks`."""
