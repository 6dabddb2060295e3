"""What analysts do: review, label, extend the vocabulary, train, promote, go back; every change attributed, nothing overwritten."""
