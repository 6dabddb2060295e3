"""Recorded decisions against another policy set, model or vocabulary: what would have been allowed, and what would not."""
