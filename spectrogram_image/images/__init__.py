"""Folders of spectrogram images: rendering them, the jobs that write them, reading their records.

Begin with `folder.ImageFolder`.
"""
