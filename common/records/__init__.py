"""TFRecords: how shards are written and described, and how they become batches.

Begin with `shards.run_shards` for writing and `folder.RecordFolder` for reading.
"""
