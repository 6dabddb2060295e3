"""Commands that carry content between hosts: what goes out is disclosed, what comes in and is kept changes something."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial

from intent.evidence.base import Finding
from intent.evidence.commands.options import Arguments, arguments
from intent.evidence.commands.syntax import Command, Source, Word
from intent.evidence.nested import Language, Nested, Reading
from intent.evidence.reading import heaviest, shown, table, words_of
from intent.vocabulary import Effect

_REMOTE = re.compile(r"^(?:[\w.$%+-]+@)?(?:\[[0-9a-fA-F:]+\]|[\w.$-]{2,}):(?!\\)|^(?:rsync|scp|sftp|ssh)://|^\$\{?\w+\}?:|@[\w.-]+:")
_LOCAL = re.compile(r"^(?:https?://)?(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]|0\.0\.0\.0)(?::\d+)?(?:[/?][^@]*)?$", re.IGNORECASE)
_SECRET_NAME = re.compile(r"\$\{?\w*(?:SECRET|TOKEN|PASS|PRIVATE|CREDENTIAL|KEY)\w*", re.IGNORECASE)
_CREDENTIAL_HEADER = re.compile(
    r"(?:proxy-)?authorization\s*:|x-[\w-]*(?:token|api-?key)\s*:|private-token\s*:|apikey\s*:|cookie\s*:", re.IGNORECASE
)
_NOWHERE = re.compile(r"-|/dev/(?:null|stdout|stderr|tty)|NUL|nul")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_REDIRECTING = ("-x", "--proxy", "--preproxy", "--socks5", "--socks5-hostname", "--resolve", "--connect-to", "--doh-url")


def finding(command: Command, effect: Effect | None, why: str = "") -> Finding:
    """A finding about a command, with the reason where the command does not say it."""
    return Finding("shell", shown(f"{why}: {command.source}" if why else command.source), effect)


def transferred(name: str, command: Command) -> list[Reading]:
    """What a command of `TRANSFERS` does."""
    return TRANSFERS[name](command)


def _listed(section: str, kind: str) -> frozenset[str]:
    return words_of(table("shell")[section][kind])


@lru_cache(maxsize=8)
def _curl_lists() -> tuple[frozenset[str], frozenset[str]]:
    return _listed("curl", "values"), _listed("curl", "flags")


def _curl(command: Command) -> list[Reading]:
    values, flags = _curl_lists()
    given = arguments(command.words[1:], values, flags)
    effects: list[Effect | None] = [Effect.READ, *_curl_saved(given), _requested(given), *_curl_sent(given)]
    if given.strange or given.has("-K", "--config", "--engine", "--variable"):
        effects.append(None)
    if given.has("-V", "--version", "-h", "--help", "--manual"):
        effects = [Effect.READ]
    return [finding(command, effect) for effect in _top(effects)]


def _requested(given: Arguments) -> Effect | None:
    """What the method says by itself; a body that is written out changes something where it is sent."""
    methods = given.values("-X", "--request")
    if any(word.dynamic for word in methods):
        return None
    body = given.has(*_listed("curl", "body")) and not given.has("-G", "--get")
    named = [word.text.strip("'\"").upper() for word in methods]
    if any(method not in _SAFE_METHODS for method in named) or (body and (not named or named[-1] != "GET")):
        return Effect.CHANGE
    return Effect.CHANGE if given.has("-Q", "--quote") or body else Effect.READ


def _curl_sent(given: Arguments) -> list[Effect | None]:
    """Content of files, of standard input or of variables that leaves; a URL that carries what a command put out."""
    urls = [*given.operands, *given.values("--url", "--url-query")]
    outward = Effect.CHANGE if urls and all(map(_is_local, urls)) and not given.has(*_REDIRECTING) else Effect.DISCLOSE
    effects: list[Effect | None] = []
    for name, word in given.options:
        if word is not None and name in _listed("curl", "body") and _from_outside(name, word):
            carried = given.has("-G", "--get") and not (word.tainted or "@" in word.text)
            effects.append(Effect.READ if carried else outward)
        elif word is not None and name in {"-H", "--header", "-b", "--cookie", "-A", "-e", "--proxy-header", "--referer", "--user-agent"}:
            leaks = word.tainted and not _CREDENTIAL_HEADER.match(word.text)
            effects.append(outward if leaks or (name in {"-H", "--header"} and word.text.startswith("@")) else Effect.READ)
    if given.has("-T", "--upload-file", "--mail-rcpt", "--mail-from"):
        effects.append(outward)
    return [*effects, *(_url_effect(url, outward) for url in urls)]


def _url_effect(url: Word, outward: Effect) -> Effect | None:
    if url.tainted and not url.alone:
        return outward
    if url.dynamic and _SECRET_NAME.search(url.text):
        return None
    return Effect.CHANGE if url.text.lower().startswith(("telnet:", "dict:", "gopher:", "smtp:", "smtps:", "ldap:")) else Effect.READ


def _from_outside(name: str, word: Word) -> bool:
    if word.dynamic or word.pattern:
        return True
    text = word.text
    if name in {"--data-raw", "--form-string"}:
        return False
    if name in {"-F", "--form"}:
        return bool(re.search(r"=\s*[@<]", text))
    return text.startswith("@") or (name == "--data-urlencode" and bool(re.match(r"[\w.-]*@", text)))


def _curl_saved(given: Arguments) -> list[Effect | None]:
    saved = [word for word in given.values(*_listed("curl", "saves")) if word.dynamic or not _NOWHERE.fullmatch(word.text)]
    cookies = given.values("-c", "--cookie-jar")
    kept = saved or given.has("-O", "--remote-name", "--remote-name-all", "-J", "--output-dir")
    return [Effect.CHANGE] if kept or any(word.dynamic for word in cookies) else []


def _wget(command: Command) -> list[Reading]:
    given = arguments(command.words[1:], _listed("wget", "values"))
    outputs = given.values("-O", "--output-document")
    printed = bool(outputs) and all(_NOWHERE.fullmatch(word.text) for word in outputs)
    logs = [w for w in given.values("-o", "-a", "--output-file", "--append-output", "--save-cookies") if not _NOWHERE.fullmatch(w.text)]
    effects: list[Effect | None] = [
        Effect.READ if (printed or given.has("--spider", "--version", "--help")) and not logs else Effect.CHANGE
    ]
    bodies = given.values("--post-data", "--body-data")
    method = given.values("--method")
    outward = Effect.CHANGE if given.operands and all(map(_is_local, given.operands)) else Effect.DISCLOSE
    if bodies or any(word.dynamic or word.text.upper() not in _SAFE_METHODS for word in method):
        effects.append(outward if any(word.dynamic for word in bodies) else Effect.CHANGE)
    if given.has("--post-file", "--body-file") or any(w.tainted and not _CREDENTIAL_HEADER.match(w.text) for w in given.values("--header")):
        effects.append(outward)
    if given.has("-e", "--execute", "--config", "--use-askpass"):
        effects.append(None)
    effects += [_url_effect(url, outward) for url in given.operands]
    return [finding(command, effect) for effect in _top(effects)]


def _httpie(command: Command) -> list[Reading]:
    given = arguments(
        command.words[1:],
        frozenset({"-a", "--auth", "-s", "--style", "-p", "--print", "-o", "--output", "--timeout", "--session", "--verify", "-A"}),
    )
    first = given.operands[0].text if given.operands else ""
    method = first if first.isalpha() and first.isupper() else ""
    items = given.operands[2 if method else 1 :]
    body = [w for w in items if re.match(r"[^=:@]+(?::=|=(?!=)|@|=@)", w.text)]
    effects: list[Effect | None] = [Effect.CHANGE if given.has("-d", "-o", "--download", "--output") else Effect.READ]
    if (method and method not in _SAFE_METHODS) or (not method and (body or command.given.source is not Source.NONE)):
        effects.append(Effect.CHANGE)
    if any(w.dynamic or "@" in w.text for w in body) or (command.given.source is not Source.NONE and method not in _SAFE_METHODS):
        effects.append(Effect.DISCLOSE)
    return [finding(command, effect) for effect in _top(effects)]


def _copied(kind: str, command: Command) -> list[Reading]:
    """Of scp and rsync, the last operand is where it goes."""
    given = arguments(command.words[1:], _listed("copying", kind))
    effects: list[Effect | None] = []
    shells = [*given.values("-e", "--rsh", "--rsync-path"), *(given.values("-o", "-S") if kind == "scp" else [])]
    if any(word.dynamic or re.search(r"(?i)proxycommand|localcommand|[;|&$`]", word.text) for word in shells):
        effects.append(None)
    operands = given.operands
    listed = len(operands) == 1 and _REMOTE.search(operands[0].text)
    if not operands or (kind == "rsync" and (listed or given.has("-n", "--dry-run", "--list-only"))):
        effects.append(Effect.READ)
    elif _is_remote(operands[-1]):
        effects.append(Effect.DISCLOSE)
    elif operands[-1].alone:
        effects += [None, Effect.CHANGE]
    else:
        effects.append(Effect.CHANGE)
    return [finding(command, effect) for effect in _top(effects)]


def _sftp(command: Command) -> list[Reading]:
    """Commands of a session are read where the script says them; a session that it does not say is doubt."""
    text = command.given.text if command.given.source is Source.TEXT else None
    if text is None:
        return [finding(command, Effect.CHANGE), finding(command, None, "a session that is not written out")]
    verbs = {line.split()[0].lower() for line in text.splitlines() if line.split()}
    if verbs & {"put", "mput", "reput", "send", "append", "-put"}:
        return [finding(command, Effect.DISCLOSE)]
    known = verbs <= {
        "ls",
        "cd",
        "pwd",
        "bye",
        "exit",
        "quit",
        "dir",
        "lcd",
        "lls",
        "lpwd",
        "user",
        "open",
        "binary",
        "ascii",
        "passive",
        "prompt",
    }
    return [finding(command, Effect.READ if known else Effect.CHANGE)]


def _ssh(command: Command) -> list[Reading]:
    given = arguments(command.words[1:], _listed("copying", "ssh"), leading=True)
    found: list[Reading] = []
    if any(re.search(r"(?i)proxycommand|localcommand|knownhostscommand", w.text) for w in given.values("-o")) or given.has("-F", "-I"):
        found.append(finding(command, None, "an option that runs a command"))
    if given.has("-L", "-D", "-R", "-W", "-w"):
        found.append(finding(command, Effect.DISCLOSE if given.has("-R", "-W") else Effect.CHANGE))
    if command.given.source in {Source.PIPE, Source.FILE}:
        found.append(finding(command, Effect.DISCLOSE, "given to another host"))
    remote = given.operands[1:]
    if not remote and command.given.source is Source.TEXT:
        found.append(Nested(Language.SHELL, command.given.text))
    elif remote:
        found.append(Nested(Language.SHELL, " ".join(word.text for word in remote)))
        if any(word.tainted for word in remote):
            found.append(finding(command, Effect.DISCLOSE, "given to another host"))
    elif given.has("-V", "-Q", "-G"):
        found.append(finding(command, Effect.READ))
    elif not found:
        found.append(finding(command, Effect.CHANGE, "a session on another host"))
    return found


def _is_remote(word: Word) -> bool:
    return bool(_REMOTE.search(word.text)) and not re.match(r"^[A-Za-z]:[\\/]", word.text) and not word.text.startswith(("/", "./"))


def _is_local(word: Word) -> bool:
    return not word.dynamic and bool(_LOCAL.match(word.text))


def _top(effects: Sequence[Effect | None]) -> list[Effect | None]:
    """The heaviest effect, with doubt beside it where there is any."""
    known = heaviest(effect for effect in effects if effect is not None)
    return [known, None] if None in effects else [known]


TRANSFERS: Mapping[str, Callable[[Command], list[Reading]]] = {
    "curl": _curl,
    "curlie": _curl,
    "wget": _wget,
    "wget2": _wget,
    "http": _httpie,
    "https": _httpie,
    "xh": _httpie,
    "xhs": _httpie,
    "scp": partial(_copied, "scp"),
    "rsync": partial(_copied, "rsync"),
    "sftp": _sftp,
    "ftp": _sftp,
    "lftp": _sftp,
    "ssh": _ssh,
    "autossh": _ssh,
    "mosh": _ssh,
}
