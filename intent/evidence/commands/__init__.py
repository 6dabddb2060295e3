"""Commands of shells: their grammar, their options, and what each program does."""
