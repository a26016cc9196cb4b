"""The Free Music Archive: finding the data set, metadata, splits, genres and reading audio.

Begin with `dataset.find_dataset`; `fma_utils` imports what notebooks need.
"""
