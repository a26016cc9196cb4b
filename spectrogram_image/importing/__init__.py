"""Import of pictures made elsewhere; begin with `spectrogram_image.import_images`.

`sources` lists the pictures, `survey` reads a sample of them, `jobs` converts all of them, and
`tables` divides the tracks among the splits.
"""
