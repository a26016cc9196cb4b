"""Genres of whole recordings: segments of a stream, classifiers, and models that take waveforms.

Begin with `classifier.Classifier`.
"""
