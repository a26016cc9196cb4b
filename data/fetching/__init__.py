"""Fetching archives with resumption, verifying and unpacking them."""
