"""Every decision, whole and in order: recorded before it is answered, chained, signed, and verifiable offline."""
