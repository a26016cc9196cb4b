"""Timing, result rows, input data and result tables of the benchmarks; begin with `timing`."""
