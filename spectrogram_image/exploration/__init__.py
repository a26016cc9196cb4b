"""Tables and figures of a data set for `Feature Visualization.ipynb`; begin with `metadata`."""
