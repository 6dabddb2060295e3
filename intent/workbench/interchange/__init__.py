"""Items and labels in and out: Label Studio, JSON Lines, CSV, and the requests of a company's own tickets and logs."""
