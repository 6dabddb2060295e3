"""Programs in Python and JavaScript: what their calls do."""
