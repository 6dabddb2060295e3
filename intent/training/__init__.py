"""Training: from labelled rows to a verified bundle."""
