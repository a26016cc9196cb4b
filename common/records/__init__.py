"""TFRecords: writing and describing shards, and reading them in batches.

Begin with `shards.run_shards` for writing and `folder.RecordFolder` for reading.
"""
