"""Stage 2: Constant-Q features in TFRecords, and genre classifiers on them."""
