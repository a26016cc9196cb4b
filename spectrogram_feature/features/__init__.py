"""Features of audio segments: parameters, kernels, Keras layers, and reading their records.

Begin with `kinds.KINDS`, the registry of feature kinds.
"""
