"""The data sets: fetching the real one, synthesising the demo."""
