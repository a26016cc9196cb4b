"""Packages and modules that both stages use. Begin with `common.training.train`."""
