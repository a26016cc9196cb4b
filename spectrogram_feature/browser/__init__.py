"""The page that `spectrogram_feature.page` makes: its files, and the packages of npm it uses.

Begin with ``static/main.js``; ``static/audio`` decodes and resamples recordings.
"""
