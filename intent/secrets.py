"""Secrets are masked before a text is embedded, parsed, logged or stored; nothing that could be a command is masked with them.

A mask must not become a hiding place: a value ends at the first mark that a shell, SQL or a URL gives a meaning to, so that what
stands behind ``password=x;`` stays in sight. Every pattern is linear: a literal start that cannot begin inside its own run, and
bounded or possessive repeats of one character class.
"""

from __future__ import annotations

import re

MASK = "[secret]"
_MAX_ROUNDS = 4

_PEM = re.compile(
    r"-----BEGIN (?:[A-Z]{1,16} ){0,3}PRIVATE KEY-----(?:\s|\\[nr])*+"
    # Only lines that are too long for a statement, and one shorter last line: "-- " begins a comment in SQL.
    r"(?:[A-Za-z0-9+/=]{32,}+(?:\s|\\[nr])*+)++(?:[A-Za-z0-9+/=]{1,31}(?:\s|\\[nr])*+)?"
    r"(?:-----END (?:[A-Z]{1,16} ){0,3}PRIVATE KEY-----)?"
)
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+)?", re.ASCII)
_KEY = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:
        (?:AKIA|ASIA)[0-9A-Z]{16,}+
      | (?:gh[pousr]_|npm_|hf_)[A-Za-z0-9]{30,}+
      | github_pat_[A-Za-z0-9_]{22,}+
      | glpat-[A-Za-z0-9_-]{20,}+
      | xox[abeoprs]-[A-Za-z0-9-]{10,}+
      | AIza[0-9A-Za-z_-]{35,}+
      | ya29\.[0-9A-Za-z_-]{20,}+
      | [sr]k_(?:live|test)_[0-9A-Za-z]{16,}+
      | sk-(?=[A-Za-z_-]{0,64}[0-9])[A-Za-z0-9_-]{20,}+
    )""",
    re.VERBOSE,
)
_KEY_MARKS = ("AKIA", "ASIA", "AIza", "ya29.")
_DASHED_KEY_MARKS = ("sk-", "xox", "glpat-")
_UNDERSCORED_KEY_MARKS = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "npm_", "hf_", "k_live_", "k_test_")
_BEARER = re.compile(r"\b(bearer|basic)([ \t]{1,4})(?=[A-Za-z._~+/=-]{0,64}[0-9])[A-Za-z0-9._~+/=-]{8,}+", re.IGNORECASE | re.ASCII)
_URL_PASSWORD = re.compile(r"""(://[^\s/?\#@:'"`$();|&<>]{0,256}:)(?!secret@)[^\s/?\#@'"`$();|&<>]{1,256}(?=@)""")
# Runs over lower-case text: a pattern that ignores case is six times slower.
_PAIR = re.compile(
    r"""(?:pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|key)
        (?P<sign>["']?\s{0,4}[:=]\s{0,4}["']?)
        (?P<value>[^\s"'`\\$%*;|&<>(){}\[\],]{4,512}+)""",
    re.VERBOSE | re.ASCII,
)
_PAIR_MARKS = ("pass", "pwd", "secret", "token", "credential", "key")
_KEY_PREFIX = re.compile(r"(?:api|access|private|secret|account|auth)[_-]?$")


def mask_secrets(text: str) -> tuple[str, int]:
    """Replace what looks like a secret by ``[secret]``; returns the text and the number of replacements.

    Private key blocks, JSON web tokens, the keys of well-known services, bearer and basic credentials, passwords in URLs (there the
    mask has no brackets, which a URL parser would take for an address), and the values of ``password=``-like pairs.

    >>> mask_secrets("password=hunter22; rm -rf /")
    ('password=[secret]; rm -rf /', 1)
    >>> mask_secrets("token: the token of the session")
    ('token: the token of the session', 0)
    """
    total = 0
    for _ in range(_MAX_ROUNDS):
        text, count = _mask_once(text)
        total += count
        if not count:
            break
    return text, total


def _mask_once(text: str) -> tuple[str, int]:
    total = 0
    for pattern, replacement in _patterns_for(text):
        text, count = pattern.subn(replacement, text)
        total += count
    text, count = _mask_pairs(text)
    return text, total + count


def _patterns_for(text: str) -> list[tuple[re.Pattern[str], str]]:
    # Looking for a literal is an order of magnitude faster than a pattern that begins with a choice.
    found: list[tuple[re.Pattern[str], str]] = []
    if "PRIVATE KEY-----" in text:
        found.append((_PEM, MASK))
    if "eyJ" in text:
        found.append((_JWT, MASK))
    if _may_hold_key(text):
        found.append((_KEY, MASK))
    if "earer" in text or "asic" in text or "EARER" in text or "ASIC" in text:
        found.append((_BEARER, rf"\1\2{MASK}"))
    if "@" in text and "://" in text:
        found.append((_URL_PASSWORD, r"\1secret"))
    return found


def _may_hold_key(text: str) -> bool:
    marks = _KEY_MARKS + (_DASHED_KEY_MARKS if "-" in text else ()) + (_UNDERSCORED_KEY_MARKS if "_" in text else ())
    return any(mark in text for mark in marks)


def _mask_pairs(text: str) -> tuple[str, int]:
    if ":" not in text and "=" not in text:
        return text, 0
    # Of the same length as the text: only ASCII letters change.
    lower = text.lower() if text.isascii() else text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
    if not any(mark in lower for mark in _PAIR_MARKS):
        return text, 0
    pieces: list[str] = []
    end = 0
    for match in _PAIR.finditer(lower):
        if _is_secret(match):
            pieces += (text[end : match.start("value")], _mask_for(match["sign"]))
            end = match.end()
    return "".join([*pieces, text[end:]]), len(pieces) // 2


def _mask_for(sign: str) -> str:
    # A bare number after a quoted key is JSON, and must stay JSON.
    quote = sign[0] if sign[0] in "\"'" and sign[-1] not in "\"'" else ""
    return f"{quote}{MASK}{quote}"


def _is_secret(match: re.Match[str]) -> bool:
    sign, value, start = match["sign"], match["value"], match.start()
    before = match.string[max(0, start - 64) : start]
    if match[0].startswith("key") and not _KEY_PREFIX.search(before[-8:]):
        return False
    # A compass is no password.
    if match[0][4] not in "wp" and match[0].startswith("pass") and before[-1:].isalpha():
        return False
    # "token: required" is prose; "token=swordfish" and "token": "swordfish" are not.
    if sign != "=" and not sign.endswith(("'", '"')) and value.rstrip(".!?:").isalpha():
        return False
    # In https://token:x@host/ the password is masked already, and the host must stay in sight.
    return not (sign == ":" and "@" in value and "://" in before)
