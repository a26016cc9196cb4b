"""Parallel jobs that resume: a journal, worker processes or a Dask cluster, atomic files, locks.

Begin with `run.run_jobs`.
"""
