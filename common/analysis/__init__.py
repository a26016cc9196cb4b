"""Which genres a classifier confuses and why: confusion, label issues, embeddings."""
