"""From the views of a call to a decision: features, heads, calibration, novelty, gate, and the normalizer that joins them."""
