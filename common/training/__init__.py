"""Training a classifier: options, schedule, callbacks, devices and saved models.

Begin with `training.train`.
"""
