"""What alembic runs for each upgrade: the steps go over the connection, and in the transaction, of whoever asks for them."""

from __future__ import annotations

from alembic import context


def run() -> None:
    """Run the steps; the caller begins and commits."""
    context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


# Alembic runs this file under this name; whoever imports it as a module of the package has no migration going on.
if __name__ == "env_py":
    run()
