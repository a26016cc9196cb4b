"""Attributions of genres to segments: integrated gradients, and figures of them."""
