"""Merkle trees of RFC 6962 and RFC 9162: a root over all events, and short proofs of one event and of growth alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

SIZE = 32


def leaf_hash(entry: bytes) -> bytes:
    """Hash of a leaf (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of a node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that must be kept of a tree to let it grow: the roots of its full subtrees, the largest first.

    Attributes
    ----------
    size
        Number of leaves.
    peaks
        One hash for each bit that is set in ``size``.

    Examples
    --------
    >>> Frontier().root.hex()[:16]
    'e3b0c44298fc1c14'
    >>> Frontier().extended(b"").root.hex()[:16]
    '6e340b9cffb37a98'
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def extended(self, entry: bytes) -> Frontier:
        """The tree with one more leaf."""
        peaks, carry, size = list(self.peaks), leaf_hash(entry), self.size
        while size & 1:
            carry, size = node_hash(peaks.pop(), carry), size >> 1
        return replace(self, size=self.size + 1, peaks=(*peaks, carry))

    @property
    def root(self) -> bytes:
        """Root of the tree; of the empty one the hash of nothing."""
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        found = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            found = node_hash(peak, found)
        return found

    @property
    def packed(self) -> bytes:
        """The peaks, one after the other."""
        return b"".join(self.peaks)

    @classmethod
    def unpacked(cls, size: int, packed: bytes) -> Frontier | None:
        """The frontier of its packed peaks; None if they are not as many as a tree of this size has."""
        if size < 0 or len(packed) != size.bit_count() * SIZE:
            return None
        return cls(size, tuple(packed[start : start + SIZE] for start in range(0, len(packed), SIZE)))


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Root over leaf hashes; of none the hash of nothing."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        paired = [node_hash(level[k], level[k + 1]) for k in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) & ~1 :]
    return level[0]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Proof that a leaf stands in the tree (RFC 9162, section 2.1.3.1).

    Raises
    ------
    IndexError
        If there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    proof: list[bytes] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(root_of(leaves[middle:high]))
            high = middle
        else:
            proof.append(root_of(leaves[low:middle]))
            low = middle
    return tuple(reversed(proof))


def consistency_proof(leaves: Sequence[bytes], size: int) -> tuple[bytes, ...]:
    """Proof that the tree over the first ``size`` leaves is a beginning of this one (RFC 9162, section 2.1.4.1).

    Raises
    ------
    IndexError
        If ``size`` is not between 1 and the number of leaves.
    """
    if not 1 <= size <= len(leaves):
        raise IndexError(size)
    proof: list[bytes] = []
    low, high, whole = 0, len(leaves), True
    while size != high:
        middle = low + _split(high - low)
        if size <= middle:
            proof.append(root_of(leaves[middle:high]))
            high = middle
        else:
            proof.append(root_of(leaves[low:middle]))
            low, whole = middle, False
    if not whole:
        proof.append(root_of(leaves[low:high]))
    return tuple(reversed(proof))


def is_included(root: bytes, size: int, index: int, leaf: bytes, proof: Sequence[bytes]) -> bool:
    """Whether an inclusion proof holds (RFC 9162, section 2.1.3.2); ``leaf`` is a leaf hash."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            place, last = _up(place, last)
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(first: bytes, first_size: int, second: bytes, second_size: int, proof: Sequence[bytes]) -> bool:
    """Whether a consistency proof between two roots holds (RFC 9162, section 2.1.4.2)."""
    if not 1 <= first_size <= second_size:
        return False
    if first_size == second_size:
        return not proof and first == second
    path = [first, *proof] if first_size & (first_size - 1) == 0 else list(proof)
    if not path:
        return False
    place, last = first_size - 1, second_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            place, last = _up(place, last)
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and old == first and new == second


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def _up(place: int, last: int) -> tuple[int, int]:
    """Past the levels at which a rightmost node has no sibling."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last
