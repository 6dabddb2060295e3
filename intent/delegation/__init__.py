"""Who acts for whom, through whom, for how long: session-bound chains of delegators that only ever grow narrower."""
