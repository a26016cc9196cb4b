"""The Free Music Archive: data set, metadata, splits, genres and audio.

Begin with `dataset.find_dataset`; `fma_utils` imports what notebooks need.
"""
