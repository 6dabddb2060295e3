"""The key ring: private to its owner, whole at every moment, and the same for every process at once."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey, RSAKey

from intent.delegation.fault import Fault
from intent.delegation.keys import KeyRing
from intent.errors import DelegationError


def rewritten(path: Path, document: object) -> None:
    path.write_text(json.dumps(document), "utf-8")


def test_a_new_ring_is_private_and_has_one_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ring = KeyRing.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kid, key = ring.current
    assert ring.jwks() == {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": key.as_dict()["x"], "kid": kid, "alg": "Ed25519", "use": "sig"}]}
    assert OKPKey.import_key(dict(ring.jwks()["keys"][0])).thumbprint() == kid
    with pytest.raises(DelegationError, match="must not exist yet"):
        KeyRing.create(path)


def test_a_rotation_destroys_the_old_private_key_and_holds_in_every_process(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ring, other = KeyRing.create(path), KeyRing(path)
    old, _ = ring.current
    new = ring.rotate()
    assert other.current[0] == new
    assert [jwk["kid"] for jwk in other.jwks()["keys"]] == [new, old]
    private = [jwk["kid"] for jwk in json.loads(path.read_text("utf-8"))["keys"] if "d" in jwk]
    assert private == [new]
    assert not other.key(old).is_private
    assert all("d" not in jwk for jwk in ring.jwks()["keys"])
    assert list(tmp_path.iterdir()) == [path]


def test_a_retired_key_is_gone_in_every_process_and_the_current_one_cannot_be(tmp_path: Path) -> None:
    ring = KeyRing.create(tmp_path / "keys.json")
    other = KeyRing(tmp_path / "keys.json")
    old, _ = ring.current
    for kid, why in ((old, "rotate first"), ("nobody's", "must be one of the ring")):
        with pytest.raises(DelegationError, match=why):
            ring.retire(kid)
    ring.rotate()
    assert other.key(old)
    ring.retire(old)
    with pytest.raises(DelegationError) as caught:
        other.key(old)
    assert caught.value.fault == Fault.UNKNOWN_KEY


def test_rotations_at_the_same_time_lose_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first, _ = KeyRing.create(path).current
    made: list[str] = []
    workers = [threading.Thread(target=lambda: made.append(KeyRing(path).rotate())) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert {jwk["kid"] for jwk in KeyRing(path).jwks()["keys"]} == {first, *made}
    assert len(made) == 8


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys.json"
    ring = KeyRing.create(path)
    path.chmod(mode)
    for use in (lambda: KeyRing(path), lambda: ring.current, ring.jwks, ring.rotate, lambda: ring.retire("k")):
        with pytest.raises(DelegationError, match=f"must have mode 0600, got {mode:04o}") as caught:
            use()
        assert caught.value.fault == Fault.UNAVAILABLE


def test_what_is_no_key_ring_is_refused_without_a_word_of_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    KeyRing.create(path)
    document = json.loads(path.read_text("utf-8"))
    jwk = document["keys"][0]
    stranger = OKPKey.generate_key("Ed25519")
    KeyRing.create(tmp_path / "other.json")
    second = json.loads((tmp_path / "other.json").read_text("utf-8"))["keys"][0]
    public = {key: value for key, value in jwk.items() if key != "d"}
    bad: list[object] = [
        {},
        [],
        {"keys": []},
        {"keys": [public]},
        {"keys": [jwk, jwk]},
        {"keys": [jwk, second]},
        {"keys": [jwk], "more": 1},
        {"keys": [{**jwk, "kid": stranger.thumbprint()}]},
        {"keys": [{**jwk, "x": stranger.as_dict()["x"]}]},
        {"keys": [{**jwk, "x": stranger.as_dict()["x"], "kid": stranger.thumbprint()}]},
        {"keys": [{**jwk, "alg": "HS256"}]},
        {"keys": [{**jwk, "use": "enc"}]},
        {"keys": [{**jwk, "d": "AA"}]},
        {"keys": [{**jwk, "key_ops": ["sign"]}]},
        {"keys": [{"kty": "oct", "k": "AAAA"}]},
        {"keys": ["text"]},
        {"keys": [RSAKey.generate_key(2048).as_dict(private=True)]},
        {"keys": [OKPKey.generate_key("Ed448").as_dict(private=True)]},
    ]
    for value in bad:
        rewritten(path, value)
        with pytest.raises(DelegationError, match="must be a key ring") as caught:
            KeyRing(path)
        assert jwk["d"] not in str(caught.value)
        assert caught.value.__cause__ is None
    for text in (b"", b"\xff", b'{"keys": [', b'{"keys": [], "keys": []}', b" " * (1 << 19)):
        path.write_bytes(text)
        with pytest.raises(DelegationError, match="must be a key ring"):
            KeyRing(path)


def test_a_ring_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path / "none" / "keys.json", tmp_path):
        with pytest.raises(DelegationError) as caught:
            KeyRing(path)
        assert caught.value.fault == Fault.UNAVAILABLE
    with pytest.raises(DelegationError, match="folder of the key ring"):
        KeyRing.create(tmp_path / "none" / "keys.json")


def test_a_change_that_fails_leaves_the_ring_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.json"
    ring = KeyRing.create(path)
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        ring.rotate()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
