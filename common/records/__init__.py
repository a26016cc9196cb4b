"""TFRecords: format, writing, reading, and the input pipeline that feeds a network.

Begin with `tfrecords` for the format and `input_pipeline.read_batches` for reading.
"""
