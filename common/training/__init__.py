"""Training a classifier: its options, targets, callbacks, checkpoints, devices and saved models.

Begin with `train.train`.
"""
