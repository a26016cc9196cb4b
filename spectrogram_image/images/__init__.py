"""Folders of spectrogram images: rendering, the jobs that write them, and their records.

Begin with `folder.ImageSet`.
"""
