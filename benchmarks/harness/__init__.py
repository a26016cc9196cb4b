"""What the benchmarks share: timing in turns, rows of results, input data, tables in pages.

Begin with `harness.timing`.
"""
