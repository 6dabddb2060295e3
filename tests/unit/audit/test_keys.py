from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from intent.audit.keys import hmac_key, public_key, signer
from intent.errors import StoreError


def test_keys_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    made, secret = signer(tmp_path / "key.pem"), hmac_key(tmp_path / "hmac.key")
    again = signer(tmp_path / "key.pem")
    assert made.public.public_bytes_raw() == again.public.public_bytes_raw() == public_key(tmp_path / "key.pem.pub").public_bytes_raw()
    assert hmac_key(tmp_path / "hmac.key") == secret
    assert len(secret) == 32
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"key.pem": 0o600, "hmac.key": 0o600, "key.pem.pub": 0o644}


@pytest.mark.parametrize("load", [signer, hmac_key])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, load) -> None:
    load(tmp_path / "secret")
    (tmp_path / "secret").chmod(0o640)
    with pytest.raises(StoreError, match="owner alone"):
        load(tmp_path / "secret")


@pytest.mark.parametrize("content", [b"", b"no key", b"ab" * 31, b"\xff" * 64])
@pytest.mark.parametrize("load", [signer, hmac_key, public_key])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, load, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    (tmp_path / "secret").chmod(0o600)
    with pytest.raises(StoreError, match="must hold"):
        load(tmp_path / "secret")


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    key = generate_private_key(SECP256R1())
    (tmp_path / "ec.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "ec.pem").chmod(0o600)
    (tmp_path / "ec.pub").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(StoreError, match="Ed25519"):
        signer(tmp_path / "ec.pem")
    with pytest.raises(StoreError, match="Ed25519"):
        public_key(tmp_path / "ec.pub")


def test_a_key_that_cannot_be_made_or_read_is_an_error(tmp_path: Path) -> None:
    for load in (signer, hmac_key, public_key):
        with pytest.raises(StoreError):
            load(tmp_path / "no" / "such" / "directory")
    with pytest.raises(StoreError):
        hmac_key(tmp_path)
