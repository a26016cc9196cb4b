"""Import of pictures made elsewhere; begin with `spectrogram_image.import_images`."""
