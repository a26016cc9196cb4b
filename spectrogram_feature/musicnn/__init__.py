"""musicnn, a network pretrained on 200,000 songs: its port, a linear probe, tags.

Begin with `pretrained` for the network and `transfer.probe` for the classifier.
"""
