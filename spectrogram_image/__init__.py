"""Stage 1: spectrogram images, their TFRecords, and a CNN on them."""
