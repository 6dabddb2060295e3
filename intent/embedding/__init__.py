"""Embeddings of short texts: one protocol, a serving adapter, a training adapter, a weight-free double and a cache."""
