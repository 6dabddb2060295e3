"""Text hidden in an encoding is found and read: base64, percent signs, hexadecimal, escapes; nested, and bounded in size and number.

Ordinary words, digests, UUIDs and identifiers decode to nothing: a piece counts only when it decodes to readable text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

MAX_PIECES = 16
_MIN_CHARACTERS = 6
_MIN_BASE64 = 12
_URL_SAFE = str.maketrans("-_", "+/")

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{10,}+={0,2}")
_BASE64_PARTS = re.compile(r"[A-Za-z0-9+]{10,}+={0,2}")
_WRAPPED = re.compile(r"[A-Za-z0-9+/_\s-]++(?:={1,2}\s*+)?")
_LINE_BREAK = re.compile(r"(?<=[A-Za-z0-9+/]{60})\r?\n(?=[A-Za-z0-9+/])")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0[xX])?([0-9a-fA-F]{12,}+)(?![0-9A-Za-z])")
_HEX_ESCAPE = re.compile(r"\\x([0-9A-Fa-f]{2})")
_UNICODE_ESCAPE = re.compile(r"\\u(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{4}))")
_ALNUM = "(?:3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa])"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text that stood in an encoding.

    Attributes
    ----------
    encoding
        base64, url, hex or unicode; nested ones joined by ``+``, the outermost first.
    text
        What it decodes to; not canonical.
    """

    encoding: str
    text: str


def decoded_pieces(text: str, *, max_depth: int = 2, max_bytes: int = 16384, max_pieces: int = MAX_PIECES) -> tuple[Decoded, ...]:
    """Every readable text that is encoded in ``text``, in order, outer before inner.

    Stops quietly at ``max_pieces`` pieces; the piece that passes ``max_bytes`` of output is cut there and is the last. A caller that must
    know whether all was read asks for one more than it accepts.

    >>> decoded_pieces("echo ZGVsZXRlIGV2ZXJ5dGhpbmc= | base64 -d")
    (Decoded(encoding='base64', text='delete everything'),)
    >>> decoded_pieces("internationalization 9e107d9d372bb6826bd81d3542a419d6")
    ()
    """
    text = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
    found: list[Decoded] = []
    seen = {text}
    left = max_bytes
    level = [Decoded("", text)]
    for _ in range(max_depth):
        inner: list[Decoded] = []
        for outer in level:
            for piece in _decode_once(outer.text):
                if len(found) >= max_pieces or left <= 0:
                    return tuple(found)
                if piece.text in seen:
                    continue
                seen.add(piece.text)
                cut = _cut(piece.text, left)
                left -= len(piece.text.encode("utf-8", "surrogatepass"))
                inner.append(Decoded(f"{outer.encoding}+{piece.encoding}".lstrip("+"), cut))
                found.append(inner[-1])
        level = inner
    return tuple(found)


def _cut(text: str, max_bytes: int) -> str:
    encoded = text.encode("utf-8", "surrogatepass")
    return text if len(encoded) <= max_bytes else encoded[:max_bytes].decode("utf-8", "ignore")


def _decode_once(text: str) -> Iterator[Decoded]:
    yield from (Decoded("base64", piece) for piece in _base64_pieces(text))
    yield from (Decoded("hex", piece) for match in _HEX.finditer(text) if (piece := _from_hex(match[1])))
    for escape in _ESCAPES:
        if escape.mark in text and (piece := _unescaped(text, escape)):
            yield Decoded(escape.encoding, piece)


def _base64_pieces(text: str) -> Iterator[str]:
    if len(text) < _MIN_BASE64:
        return
    if _WRAPPED.fullmatch(text) and (whole := _from_base64("".join(text.split()))):
        yield whole
        return
    for match in _BASE64.finditer(_LINE_BREAK.sub("", text) if "\n" in text else text):
        if piece := _from_base64(match[0]):
            yield piece
        elif any(mark in match[0] for mark in "/_-"):
            # A path or a name in front shifts the alphabet: /tmp/ZGVs...
            yield from (inner for part in _BASE64_PARTS.findall(match[0]) if (inner := _from_base64(part)))


def _from_base64(run: str) -> str | None:
    body = run.rstrip("=")
    # Text in base64 mixes the cases; words, digests and numbers mostly do not.
    if len(run) < _MIN_BASE64 or body.islower() or body.isupper() or body.isdigit():
        return None
    body = body.translate(_URL_SAFE)
    body = body[: len(body) - (len(body) % 4 == 1)]
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return None
    return _readable(data)


def _from_hex(run: str) -> str | None:
    text = _readable(bytes.fromhex(run[: len(run) // 2 * 2]))
    # Digits alone are far more often a number than a text: nearly all of it must then be letters.
    share = 0.9 if run.isdigit() else 0.5
    return text if text and sum(mark.isalpha() or mark == " " for mark in text) >= share * len(text) else None


def _readable(data: bytes) -> str | None:
    # UTF-16 is what PowerShell's -EncodedCommand takes.
    wide = data[1:2] == b"\0" and data.count(b"\0") * 3 > len(data)
    try:
        text = data.decode("utf-16-le" if wide else "utf-8")
    except UnicodeDecodeError:
        return None
    text = text.strip("\r\n\0")
    if len(text) < _MIN_CHARACTERS or not _is_printable(text):
        return None
    return text if sum(map(str.isalpha, text)) * 3 >= len(text) else None


def _is_printable(text: str) -> bool:
    if text.isprintable():
        return True
    strange = sum(not (mark.isprintable() or mark in "\n\r\t") for mark in text)
    return strange * 20 <= len(text)


def _from_percent(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace")


def _from_hex_escapes(text: str) -> str:
    # Through bytes, so that \xd0\xb4 is read as UTF-8; a byte that is no UTF-8 stays the character of that number.
    data = _HEX_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    try:
        return data.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return data


def _from_unicode_escapes(text: str) -> str:
    decoded = _UNICODE_ESCAPE.sub(lambda match: _character(match[1] or match[2]), text)
    # \ud83d\ude00 is one character in two escapes.
    return decoded.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _character(digits: str) -> str:
    number = int(digits, 16)
    return chr(number) if number <= 0x10FFFF else "\ufffd"


@dataclass(frozen=True, slots=True)
class _Escape:
    encoding: str
    mark: str
    letter: re.Pattern[str]
    decode: Callable[[str], str]


_ESCAPES = (
    _Escape("url", "%", re.compile(f"%{_ALNUM}"), _from_percent),
    _Escape("hex", "\\x", re.compile(rf"\\x{_ALNUM}"), _from_hex_escapes),
    _Escape("unicode", "\\u", re.compile(rf"\\u\{{?0{{0,4}}{_ALNUM}"), _from_unicode_escapes),
)


def _unescaped(text: str, escape: _Escape) -> str | None:
    """The words of ``text`` that hide something in escapes, decoded, in one piece; None where there are none."""
    # One escaped space or comma in a link is how links are written; an escaped letter never is.
    words = [word for word in text.split() if word.count(escape.mark) > 1 or (escape.mark in word and escape.letter.search(word))]
    escaped = " ".join(words)
    plain = escape.decode(escaped).replace("\ufffd", "").strip()
    return plain if plain != escaped and any(map(str.isalpha, plain)) else None
