"""From a decision and its circumstances to allow, deny, or allow with obligations: one input, many engines, one answer."""
