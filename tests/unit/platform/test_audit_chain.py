"""The Merkle tree of RFC 6962 against its reference vectors, and checkpoints against forgers."""

import hashlib
import os

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.platform.core.audit_chain import Checkpoint, ForgedCheckpoint, public_keys
from functions.platform.core.merkle import Frontier, leaf_hash, node_hash

# From the reference implementation of RFC 6962 (google/certificate-transparency, merkle_tree_test).
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SEED = bytes(range(32))
CHECKPOINT = Checkpoint("platform", 3, b"h" * 32, b"r" * 32, "2026-11-26T12:00:00.000000Z", "audit-1")


def test_the_tree_is_that_of_the_rfc() -> None:
    tree = Frontier()
    assert tree.root() == hashlib.sha256(b"").digest()
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.add(bytes.fromhex(leaf))
        assert tree.root().hex() == root


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word by word."""
    if len(leaves) <= 1:
        return leaf_hash(leaves[0]) if leaves else hashlib.sha256(b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(by_definition(leaves[:split]), by_definition(leaves[split:]))


@given(st.lists(st.binary(max_size=8), max_size=70), st.integers(0, 70))
def test_a_tree_that_is_grown_in_two_parts_is_the_whole(leaves: list[bytes], stop: int) -> None:
    first = Frontier()
    for leaf in leaves[:stop]:
        first.add(leaf)
    grown = Frontier(first.size, first.roots)
    for leaf in leaves[stop:]:
        grown.add(leaf)
    assert grown.root() == by_definition(leaves)


def test_a_frontier_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="3 leaves"):
        Frontier(3, [b"x"])


def test_a_signed_checkpoint_is_read_back() -> None:
    assert Checkpoint.verified(CHECKPOINT.signed(SEED), public_keys({"audit-1": SEED})) == CHECKPOINT


@given(st.sampled_from(["chain", "size", "head", "root", "time", "keyId", "signature", "v"]), st.data())
def test_no_part_of_a_checkpoint_can_be_changed(part: str, data: st.DataObject) -> None:
    said = orjson.loads(CHECKPOINT.signed(SEED))
    other = st.integers(0, 2**53 - 1) if part in {"size", "v"} else st.text(st.characters(exclude_categories=["Cs"]))
    said[part] = data.draw(other.filter(lambda value: value != said[part]))
    with pytest.raises(ForgedCheckpoint):
        Checkpoint.verified(orjson.dumps(said), public_keys({"audit-1": SEED}))


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b"null", b"{}", b'{"v":1}', b"\xff"])
def test_what_is_no_checkpoint_is_refused(document: bytes) -> None:
    with pytest.raises(ForgedCheckpoint):
        Checkpoint.verified(document, public_keys({"audit-1": SEED}))


def test_another_key_of_the_same_name_does_not_vouch() -> None:
    with pytest.raises(ForgedCheckpoint, match="signature"):
        Checkpoint.verified(CHECKPOINT.signed(os.urandom(32)), public_keys({"audit-1": SEED}))
