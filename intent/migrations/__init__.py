"""The schema of the database, step by step; `intent.database.open_database` takes every step that is missing."""
