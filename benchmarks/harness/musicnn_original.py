"""Run musicnn 0.1.0 for embedding.py: read paths, write embeddings, one per line.

It needs an environment with musicnn; see tests/musicnn/musicnn_expected.md. The network is built
once, which is faster than musicnn's `extractor`, which builds it for each file.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from musicnn import configuration, extractor, models

MODEL = "MSD_musicnn"
FRAMES = 187

patches = tf.compat.v1.placeholder(tf.float32, [None, FRAMES, configuration.N_MELS])
is_training = tf.compat.v1.placeholder(tf.bool)
with tf.name_scope("model"):
    layers = models.define_model(patches, is_training, MODEL, len(configuration.MSD_LABELS))
session = tf.compat.v1.Session()
tf.compat.v1.train.Saver().restore(session, str(Path(extractor.__file__).parent / MODEL) + "/")
for line in sys.stdin:
    batch, _ = extractor.batch_data(line.rstrip("\n"), FRAMES, FRAMES)
    embeddings = session.run(layers[-1], {patches: batch, is_training: False})
    print(json.dumps(np.mean(embeddings, axis=0).tolist()), flush=True)
