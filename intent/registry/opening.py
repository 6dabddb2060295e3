"""A registry from its places: a directory of models, a key file in the state, the database of the workbench."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from intent.audit.keys import private_key, public_key
from intent.errors import StoreError
from intent.registry.following import Following, Normalizes
from intent.registry.shelf import Shelf
from intent.registry.signature import ModelSigner

if TYPE_CHECKING:
    from intent.registry.registry import Registry

SIGNING_KEY = "model-signing.pem"
PUBLIC_KEY = f"{SIGNING_KEY}.pub"


def open_registry(directory: Path, state: Path, database: str) -> Registry:
    """For those who change it.

    Parameters
    ----------
    state
        Directory of the signing key, which is made if it is missing.
    database
        URL of the database of the workbench, as `intent.database.open_database` takes it.

    Raises
    ------
    StoreError
        If the key or the database cannot be used.
    """
    # Here: a service that only follows the registry needs neither the gate nor the database.
    from intent.database import open_database
    from intent.registry.registry import Registry
    from intent.workbench.store import WorkbenchStore

    return Registry(directory, WorkbenchStore(open_database(database)), ModelSigner(private_key(state / SIGNING_KEY)))


def open_shelf(directory: Path, state: Path) -> Shelf:
    """For those who read it: the public half of the key is enough. Where there is no key yet, one is made.

    Raises
    ------
    StoreError
        If the key cannot be used.
    """
    if not (state / PUBLIC_KEY).exists():
        private_key(state / SIGNING_KEY)
    return Shelf(directory, public_key(state / PUBLIC_KEY))


def follow(shelf: Shelf, load: Callable[[Path], Normalizes], interval_s: float) -> Following:
    """A normalizer after a shelf's pointer.

    Parameters
    ----------
    load
        Makes a normalizer from a bundle that was verified a moment before; it verifies every file again as it reads it.

    Raises
    ------
    IntentError
        If the model that serves now cannot be loaded.
    """

    def verified(digest: str) -> Normalizes:
        model = load(shelf.verify(digest))
        if model.card.get("digest") != digest:
            raise StoreError(f"model {digest[:12]} changed while it was read")
        return model

    return Following(verified, shelf, interval_s)
