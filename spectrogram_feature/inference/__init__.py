"""Genres of whole recordings: classifiers, segments of a stream, models, and formats of export.

Begin with `classifier.GenreClassifier`, which takes any `segment_model.SegmentModel`.
"""
