"""musicnn 0.1.0 itself, for embedding.py: paths come in, embeddings go out, a line each.

Run by the Python of an environment that has it; tests/musicnn_expected.md tells how to make one.
Its own `extractor` builds the network anew for every file; here it is built once, which is faster.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from musicnn import configuration, extractor, models

MODEL = "MSD_musicnn"
FRAMES = 187


def main() -> None:
    """Embed one file after the other."""
    patches = tf.compat.v1.placeholder(tf.float32, [None, FRAMES, configuration.N_MELS])
    is_training = tf.compat.v1.placeholder(tf.bool)
    with tf.name_scope("model"):
        layers = models.define_model(patches, is_training, MODEL, len(configuration.MSD_LABELS))
    session = tf.compat.v1.Session()
    folder = Path(extractor.__file__).parent / MODEL
    tf.compat.v1.train.Saver().restore(session, str(folder) + "/")
    for line in sys.stdin:
        batch, _ = extractor.batch_data(line.rstrip("\n"), FRAMES, FRAMES)
        said = session.run(layers[-1], {patches: batch, is_training: False})
        print(json.dumps(np.mean(said, axis=0).tolist()), flush=True)


main()
