"""Which stream an item is in: a keyed hash of its own identifier decides, before anybody has looked at it or asked a model.

So nobody can pick what is audited, and what was picked because it looks wrong never gets among what calibrates, evaluates or watches.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from intent.certificate.monitor import AuditSample
from intent.workbench.records import Item, Stream

AUDIT_RATE = 0.02
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Streams:
    """The two streams of a store.

    Attributes
    ----------
    sample
        Secret of the store, and the share of items that is audited.
    """

    sample: AuditSample

    def of(self, item: str) -> Stream:
        """The stream of an item by its identifier; the same answer for ever.

        >>> Streams(AuditSample(b"sixteen bytes ok", 1.0)).of("i-1")
        <Stream.AUDIT: 'audit'>
        """
        return Stream.AUDIT if self.sample.takes(item) else Stream.PICKED


def is_blind(item: Item) -> bool:
    """Whether nobody who labels the item may see what the model said of it, or what anybody else did."""
    return item.stream is Stream.AUDIT


def shown(item: Item) -> Item:
    """The item as a person who labels it may see it."""
    return item.model_copy(update={"decision": None, "decision_id": ""}) if is_blind(item) else item


def new_key() -> bytes:
    """A secret for a store that has none yet."""
    return secrets.token_bytes(KEY_BYTES)
