"""Commands that fetch the FMA, compose the demo set and import recordings."""
