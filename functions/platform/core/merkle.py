"""The Merkle tree of RFC 6962, section 2.1: its root from the leaves in order, without keeping them."""

import hashlib
from collections.abc import Iterable


def leaf_hash(data: bytes) -> bytes:
    """SHA-256 of a leaf: 0x00 before the data."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of an inner node: 0x01 before its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the perfect subtrees that a tree of `size` leaves is made of, largest first: all it takes to go on.

    Raises:
        ValueError: a tree of that size is not made of so many.
    """

    def __init__(self, size: int = 0, roots: Iterable[bytes] = ()) -> None:
        self.size = size
        self.roots = list(roots)
        if len(self.roots) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} perfect subtrees, not {len(self.roots)}")

    def add(self, data: bytes) -> None:
        """Append a leaf."""
        node, size = leaf_hash(data), self.size
        while size & 1:
            node = node_hash(self.roots.pop(), node)
            size >>= 1
        self.roots.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The tree's hash."""
        if not self.roots:
            return hashlib.sha256(b"").digest()
        node = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            node = node_hash(left, node)
        return node
