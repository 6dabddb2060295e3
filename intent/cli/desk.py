"""What the commands of the workbench share: the store, who asks, and the words."""

from __future__ import annotations

import os
import pwd
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intent.errors import WorkbenchError
from intent.vocabulary import Vocabulary, default_path

if TYPE_CHECKING:
    from intent.workbench.records import Actor
    from intent.workbench.store import WorkbenchStore

StoreOption = Annotated[str | None, typer.Option("--store", metavar="URL", help="Database; that of the settings if not given.")]
VocabularyOption = Annotated[
    Path | None, typer.Option("--vocabulary", metavar="FILE", help="The words; the last release in the store, or the shipped ones.")
]


@contextmanager
def opened(url: str | None) -> Generator[WorkbenchStore]:
    """The store at a URL, or that of the settings."""
    from intent.database import open_database
    from intent.workbench.store import WorkbenchStore

    engine = open_database(url or _url_of_settings())
    try:
        yield WorkbenchStore(engine)
    finally:
        engine.dispose()


def _url_of_settings() -> str:
    from intent.assembly import database_url
    from intent.settings import Settings

    return database_url(Settings())


def actor_of(store: WorkbenchStore) -> Actor:
    """The user of the operating system, who cannot be another one by an environment variable."""
    from intent.workbench.records import Actor, Role

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError as error:
        raise WorkbenchError("the operating system must know who you are") from error
    return store.actor(name) if store.account_names() else Actor(name=name, role=Role.ADMIN)


def words_of(store: WorkbenchStore, path: Path | None) -> Vocabulary:
    """The words of a file, or the last release in the store, or the shipped ones."""
    from intent.workbench.vocabularies import parsed

    released = None if path else store.released_vocabulary()
    return parsed(released) if released else Vocabulary.load(path or default_path())
