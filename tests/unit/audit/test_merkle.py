from hashlib import sha256

import pytest

from intent.audit.merkle import Frontier, consistency_proof, inclusion_proof, is_consistent, is_included, leaf_hash, node_hash, root_of

# The leaves and roots that implementations of RFC 6962 test each other with.
ENTRIES = tuple(map(bytes.fromhex, "|00|10|2021|3031|40414243|5051525354555657|606162636465666768696a6b6c6d6e6f".split("|")))
ROOTS = """
6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77
d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4
76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef
ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c
5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328
""".split()


def test_roots_are_those_of_the_known_vectors() -> None:
    tree, leaves = Frontier(), [leaf_hash(entry) for entry in ENTRIES]
    assert tree.root == root_of([]) == sha256(b"").digest()
    for size, (entry, root) in enumerate(zip(ENTRIES, ROOTS, strict=True), start=1):
        tree = tree.extended(entry)
        assert tree.root.hex() == root == root_of(leaves[:size]).hex()
        assert Frontier.unpacked(size, tree.packed) == tree


def test_proofs_are_those_of_the_example_with_seven_leaves() -> None:
    # RFC 6962, section 2.1.3, with the names of its drawing.
    a, b, c, d, e, f, j = leaves = [leaf_hash(bytes([place])) for place in range(7)]
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, left = node_hash(i, j), node_hash(g, h)
    root = root_of(leaves)
    assert root == node_hash(left, k)
    assert inclusion_proof(leaves, 0) == (b, h, k)
    assert inclusion_proof(leaves, 3) == (c, g, k)
    assert inclusion_proof(leaves, 4) == (f, j, left)
    assert inclusion_proof(leaves, 6) == (i, left)
    assert consistency_proof(leaves, 3) == (c, d, g, k)
    assert consistency_proof(leaves, 4) == (k,)
    assert consistency_proof(leaves, 6) == (i, j, left)
    assert is_included(root, 7, 6, j, (i, left))
    assert is_consistent(root_of(leaves[:3]), 3, root, 7, (c, d, g, k))


def test_what_is_not_in_the_tree_has_no_proof() -> None:
    leaves = [leaf_hash(b"a"), leaf_hash(b"b")]
    for index in (-1, 2):
        with pytest.raises(IndexError):
            inclusion_proof(leaves, index)
        assert not is_included(root_of(leaves), 2, index, leaves[0], (leaves[1],))
    for size in (0, 3):
        with pytest.raises(IndexError):
            consistency_proof(leaves, size)
    assert not is_consistent(root_of(leaves), 2, leaves[0], 1, ())
    assert not is_consistent(leaves[0], 1, root_of(leaves), 2, ())
    assert is_consistent(root_of(leaves), 2, root_of(leaves), 2, ())


@pytest.mark.parametrize(("size", "packed"), [(1, b""), (3, bytes(32)), (-1, b""), (0, b"x")])
def test_peaks_of_another_size_are_refused(size: int, packed: bytes) -> None:
    assert Frontier.unpacked(size, packed) is None
