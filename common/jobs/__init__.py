"""Parallel jobs that resume: worker processes or a Dask cluster, a journal, atomic files, a lock.

Begin with `run.run_jobs`, which uses all the rest.
"""
