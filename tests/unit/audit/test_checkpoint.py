import base64
import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from intent.audit.checkpoint import Checkpoint, Signer, Standing, read_note
from intent.errors import AuditError

KEY = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
HEAD = Checkpoint("intent-audit/0011", 7, bytes(32), b"\x01" * 32, "2026-03-01T12:00:00.000000Z")


def test_a_note_reads_back_and_stands_with_its_key_alone() -> None:
    note = read_note(KEY.sign(HEAD))
    other = Ed25519PrivateKey.generate().public_key()
    assert note.checkpoint == HEAD
    assert note.standing([KEY.public]) is note.standing([other, KEY.public]) is Standing.GOOD
    assert note.standing([other]) is note.standing([]) is Standing.WRONG_KEY


def test_a_note_is_the_signed_note_that_other_tools_read() -> None:
    text = KEY.sign(HEAD)
    body, _, signatures = text.partition("\n\n")
    dash, name, encoded = signatures.rstrip("\n").split(" ")
    assert (dash, name) == ("—", HEAD.origin)
    assert body.split("\n")[:3] == [HEAD.origin, "7", base64.b64encode(bytes(32)).decode()]
    raw = base64.b64decode(encoded)
    public = KEY.public.public_bytes_raw()
    assert raw[:4] == hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]
    Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], body.encode() + b"\n")


@pytest.mark.parametrize(
    "change",
    [{"size": 8}, {"root": b"\x02" * 32}, {"link": bytes(32)}, {"at": "2026-03-01T12:00:00.000001Z"}],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_head_has_a_bad_signature(change) -> None:
    text = KEY.sign(HEAD)
    forged = text.replace(HEAD.body, replace(HEAD, **change).body)
    assert forged != text
    assert read_note(forged).standing([KEY.public]) is Standing.BAD_SIGNATURE


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n",
        lambda text: text.replace("\n7\n", "\n07\n"),
        lambda text: text.replace("2026-03-01T12", "2026-03-01 12"),
        lambda text: text.replace("time 2026", "time 2O26"),
        lambda text: text.replace("chain ", "chain  "),
        lambda text: text + text.rpartition("\n— ")[2],
        lambda text: text[:-4] + "\n",
        lambda text: text.replace("intent-audit/0011", "a b"),
        lambda text: text.replace("— intent", "— other"),
        lambda _: "x" * 5000,
        lambda _: "",
    ],
)
def test_what_is_not_spelled_as_a_note_is_an_error(change) -> None:
    with pytest.raises(AuditError):
        read_note(change(KEY.sign(HEAD)))


def test_a_second_spelling_of_the_same_bytes_is_an_error() -> None:
    text = KEY.sign(HEAD)
    # The last letter before the padding carries two bits that decode to nothing.
    place = text.index("=\n")
    for letter in "BCD":
        with pytest.raises(AuditError):
            read_note(text[: place - 1] + letter + text[place:])
