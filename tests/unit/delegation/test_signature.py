"""Signatures: the algorithm is the caller's choice, never the token's."""

from __future__ import annotations

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from intent.delegation.fault import Fault
from intent.delegation.signature import header_of, payload_bytes, payload_of, sign
from intent.errors import DelegationError
from tests.doubles.delegating import encoded

RSA, EC, OKP = RSAKey.generate_key(2048), ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")


def test_what_was_signed_is_read_with_the_same_key_and_algorithm() -> None:
    token = sign({"alg": "RS256", "kid": "k"}, b'{"a": 1}', RSA)
    assert header_of(token, max_bytes=1000) == {"alg": "RS256", "kid": "k"}
    assert payload_bytes(token, RSA, "RS256") == b'{"a": 1}'
    assert payload_of(token, RSA, "RS256") == {"a": 1}


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA, "PS256"), (RSA, "Ed25519"), (EC, "RS256"), (OKP, "RS256"), (RSA, "HS256"), (RSA, "none")]
)
def test_a_token_cannot_choose_its_algorithm_or_key(key: RSAKey | ECKey | OKPKey, algorithm: str) -> None:
    with pytest.raises(DelegationError) as caught:
        payload_bytes(sign({"alg": "RS256"}, b"{}", RSA), key, algorithm)
    assert caught.value.fault == Fault.SIGNATURE


@pytest.mark.parametrize("name", ["HS256", "none", "PS256", "ES256", "RS512", "unheard-of"])
def test_a_header_that_names_another_algorithm_than_asked_for_is_refused(name: str) -> None:
    header, rest = sign({"alg": "RS256"}, b"{}", RSA).split(".", 1)
    other = encoded(b'{"alg":"' + name.encode() + b'"}')
    assert other != header
    with pytest.raises(DelegationError) as caught:
        payload_bytes(f"{other}.{rest}", RSA, "RS256")
    assert caught.value.fault == Fault.SIGNATURE


def test_even_the_right_key_signs_with_one_algorithm_only() -> None:
    with pytest.raises(DelegationError) as caught:
        payload_bytes(sign({"alg": "PS256"}, b"{}", RSA), RSA, "RS256")
    assert caught.value.fault == Fault.SIGNATURE
