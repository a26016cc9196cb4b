"""The Free Music Archive as data: `fma_utils` is its front door, and says what is in it."""
