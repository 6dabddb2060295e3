"""The statistics of the promise: how thresholds are certified, how long a certificate holds, and how it is watched; numpy only."""
