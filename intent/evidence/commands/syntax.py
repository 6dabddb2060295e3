"""A shell text as the commands it holds, wherever they stand; read by the tree-sitter grammar of bash, which never fails but says where it guessed.

Every command of the tree is found: in lists, pipes, substitutions, bodies of functions, and in what could not be parsed. What a
command is given on its standard input is known where the text itself says it (a here-document, an echoed literal).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from intent.evidence.reading import table, words_of

MAX_COMMANDS = 256
# The grammar's scanner looks up every character in the tables of <ctype.h>, and reads memory that is not its own beyond ASCII. To bash
# these bytes are letters, so it is shown letters in their places.
_LETTERS = bytes(byte if byte < 0x80 else ord("u") for byte in range(256))
_MAX_SUBSTITUTIONS_DEEP = 8
_EXPANSIONS = frozenset({"simple_expansion", "expansion", "command_substitution", "process_substitution", "arithmetic_expansion"})
_SUBSTITUTIONS = frozenset({"command_substitution", "process_substitution"})
_GLOB = re.compile(r"(?<!\\)[*?\[]|(?<!\\)\{[^}]*[,.][^}]*\}")
_ANSI = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v", "0": "\0"}
_ANSI_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|[0-7]{1,3}|.)", re.DOTALL)


class Source(StrEnum):
    """Where the standard input of a command comes from."""

    NONE = "none"
    PIPE = "pipe"
    FILE = "file"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Input:
    """Standard input; ``text`` is what it says, where the script says it, and ``decoded`` whether an encoding hid it there."""

    source: Source = Source.NONE
    text: str = ""
    decoded: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """One argument.

    Attributes
    ----------
    text
        Without quotes; what is expanded stands as it is written.
    dynamic
        Whether something is expanded in it: a variable, a substitution.
    tainted
        Whether it holds what a command put out, or a variable that does.
    alone
        Whether the expansion is the whole of it.
    pattern
        Whether it names files by a pattern, or stands for several words.
    """

    text: str
    dynamic: bool = False
    tainted: bool = False
    alone: bool = False
    pattern: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command: its words, the name first, and what it is given."""

    words: tuple[Word, ...]
    source: str
    given: Input = field(default=Input())
    assigned: tuple[str, ...] = ()

    @property
    def arguments(self) -> str:
        """The words after the name, one blank between them, blanks inside them written ``·``."""
        return " ".join(re.sub(r"\s", "·", word.text) or "''" for word in self.words[1:])


@dataclass(frozen=True, slots=True)
class Script:
    """What a text holds.

    Attributes
    ----------
    written
        Files that output is directed to.
    tests
        Whether something is tested (``[ -f x ]``).
    reads
        Whether a file is read by redirection alone (``$(< f)``).
    complete
        False where the grammar had to guess, or the text holds more than is read.
    """

    commands: tuple[Command, ...]
    written: tuple[Word, ...]
    read: tuple[Word, ...]
    functions: frozenset[str]
    tests: bool
    complete: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: what flows into it, and how many substitutions are around it."""

    given: Input = field(default=Input())
    depth: int = 0


@lru_cache(maxsize=1)
def _bash() -> Language:
    return Language(tree_sitter_bash.language())


@lru_cache(maxsize=4)
def harmless() -> frozenset[str]:
    """Programs whose output tells nothing of files or systems."""
    return words_of(table("shell")["words"]["harmless"])


def script(text: str) -> Script:
    """Parse a text of bounded length."""
    data = text.encode()
    # A parser belongs to one thread, and costs less to make than to share.
    tree = Parser(_bash()).parse(data.translate(_LETTERS))
    return _Walk(data).read(tree.root_node)


class _Walk:
    """One pass over a tree, without recursion: the depth of a tree is in the hands of whoever wrote the text."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._commands: list[Command] = []
        self._written: list[Word] = []
        self._read: list[Word] = []
        self._functions: set[str] = set()
        self._tests = False
        self._complete = True
        self._tainted: dict[str, bool] = {}

    def read(self, root: Node) -> Script:
        self._complete = not root.has_error
        self._taint_variables(root)
        stack = [(root, _Place())]
        while stack:
            node, place = stack.pop()
            if place.depth > _MAX_SUBSTITUTIONS_DEEP or len(self._commands) >= MAX_COMMANDS:
                self._complete = False
                continue
            stack.extend(reversed(list(self._inside(node, place))))
        return Script(
            tuple(self._commands), tuple(self._written), tuple(self._read), frozenset(self._functions), self._tests, self._complete
        )

    def _inside(self, node: Node, place: _Place) -> Iterator[tuple[Node, _Place]]:
        """The children of a node with their places, after the node itself was noted."""
        kind = node.type
        if kind == "command":
            self._commands.append(self._command(node, place.given))
        elif kind == "file_redirect":
            self._redirect(node)
        elif kind == "function_definition":
            self._functions.update(self._source(child) for child in node.children_by_field_name("name"))
        elif kind == "test_command":
            self._tests = True
        inner = replace(place, given=Input(), depth=place.depth + 1) if kind in _SUBSTITUTIONS else place
        if kind == "pipeline":
            yield from self._stages(node.named_children, place)
        elif kind == "redirected_statement":
            yield from self._redirected(node, place)
        elif kind == "list":
            last = len(node.children) - 1
            yield from ((child, place if i == last else replace(place, given=Input())) for i, child in enumerate(node.children))
        else:
            yield from ((child, inner) for child in node.children if child.child_count)

    def _stages(self, stages: Sequence[Node], place: _Place, before: Node | None = None) -> Iterator[tuple[Node, _Place]]:
        """Each stage of a pipe with what the one before it puts out; what is given to a pipe is given to its last stage."""
        last = len(stages) - 1
        flowing = Input() if before is None else self._output(before, place.given)
        for position, stage in enumerate(stages):
            given = place.given if position == last and place.given.source is not Source.NONE and before is None else flowing
            yield stage, replace(place, given=given)
            flowing = self._output(stage, given)

    def _redirected(self, node: Node, place: _Place) -> Iterator[tuple[Node, _Place]]:
        body = node.child_by_field_name("body")
        redirects = node.children_by_field_name("redirect")
        given = self._given(redirects) or place.given
        if body is not None:
            yield body, replace(place, given=given)
        for redirect in redirects:
            if redirect.type != "heredoc_redirect":
                yield redirect, place
                continue
            for child in redirect.named_children:
                if child.type == "pipeline":
                    yield from self._stages(child.named_children, replace(place, given=given), before=body)
                else:
                    yield child, replace(place, given=Input())

    def _given(self, redirects: Sequence[Node]) -> Input | None:
        found: Input | None = None
        for node in redirects:
            if node.type == "heredoc_redirect":
                body = next((self._source(child) for child in node.named_children if child.type == "heredoc_body"), "")
                found = Input(Source.TEXT, body)
            elif node.type == "herestring_redirect":
                word = self._word(node.named_children[-1]) if node.named_children else Word("")
                found = Input(Source.PIPE) if word.dynamic else Input(Source.TEXT, word.text)
            elif node.type == "file_redirect" and _operator(node) in {"<", "<>"}:
                found = Input(Source.FILE)
        return found

    def _command(self, node: Node, given: Input) -> Command:
        words: list[Word] = []
        assigned: list[str] = []
        for child in node.named_children:
            if child.type == "command_name":
                words.append(self._word(child.named_children[0] if child.named_children else child))
            elif child.type == "variable_assignment":
                assigned.append(self._source(child).partition("=")[0].rstrip("+"))
            elif not child.type.endswith("redirect"):
                words.append(self._word(child))
        own = self._given([child for child in node.named_children if child.type.endswith("redirect")])
        return Command(tuple(words), self._source(node), own or given, tuple(assigned))

    def _output(self, node: Node, given: Input) -> Input:
        """What a stage puts out, as far as the script itself says it."""
        if node.type == "redirected_statement" and (body := node.child_by_field_name("body")) is not None:
            given, node = self._given(node.children_by_field_name("redirect")) or given, body
        if node.type == "pipeline" and node.named_children:
            return Input(Source.PIPE)
        command = self._command(node, given) if node.type == "command" else None
        text = None if command is None else _put_out(command)
        if command is None or text is None:
            return Input(Source.PIPE)
        return Input(Source.TEXT, text, decoded=given.decoded or command.words[0].text == "base64")

    def _redirect(self, node: Node) -> None:
        operator = _operator(node)
        for child in node.children_by_field_name("destination"):
            word = self._word(child)
            fd = operator in {">&", "<&"} and re.fullmatch(r"\d*-?", word.text)
            if fd or (child.type == "process_substitution"):
                continue
            (self._read if operator.startswith("<") and operator != "<>" else self._written).append(word)

    def _word(self, node: Node) -> Word:
        pieces = [node] if node.type != "concatenation" else node.named_children
        parts = [self._piece(piece) for piece in pieces]
        gap = node.type == "concatenation" and sum(p.end_byte - p.start_byte for p in pieces) != node.end_byte - node.start_byte
        bare = "".join(self._source(piece) for piece in pieces if piece.type in {"word", "number", "brace_expression", "ERROR"})
        return Word(
            "".join(part.text for part in parts),
            dynamic=any(part.dynamic for part in parts) or node.type in {"array", "ERROR"},
            tainted=any(part.tainted for part in parts),
            alone=len(parts) == 1 and parts[0].alone,
            pattern=gap or bool(_GLOB.search(bare)) or any(p.type == "brace_expression" for p in pieces),
        )

    def _piece(self, node: Node) -> Word:
        source = self._source(node)
        match node.type:
            case "raw_string":
                return Word(source[1:-1])
            case "ansi_c_string":
                return Word(_ANSI_ESCAPE.sub(_ansi, source[2:-1]))
            case "string" | "translated_string":
                return self._quoted(node)
            case kind if kind in _EXPANSIONS:
                return Word(source, dynamic=True, tainted=self._is_tainted(node), alone=True)
            case "word" | "number":
                return Word(re.sub(r"\\(\n|(.))", lambda m: m.group(2) or "", source, flags=re.DOTALL))
            case _:
                return Word(source, dynamic=any(child.type in _EXPANSIONS for child in node.children), tainted=self._is_tainted(node))

    def _quoted(self, node: Node) -> Word:
        node = node.named_children[0] if node.type == "translated_string" and node.named_children else node
        inner = [child for child in node.named_children if child.type in _EXPANSIONS]
        text = re.sub(r'\\([\\"$`\n])', lambda m: m.group(1).strip("\n"), self._source(node)[1:-1])
        only = len(inner) == 1 and inner[0].end_byte - inner[0].start_byte == node.end_byte - node.start_byte - 2
        return Word(text, dynamic=bool(inner), tainted=any(map(self._is_tainted, inner)), alone=only)

    def _is_tainted(self, node: Node) -> bool:
        if node.type in {"word", "raw_string", "number", "arithmetic_expansion"}:
            return False
        return any(self._taints(inner) for inner in _descendants(node))

    def _taints(self, node: Node) -> bool:
        match node.type:
            case "command_name":
                return self._source(node) not in harmless()
            case "file_redirect":
                return True
            case "variable_name":
                return self._source(node) in self._tainted
            case _:
                return False

    def _taint_variables(self, root: Node) -> None:
        """Variables that hold what a command put out: twice over the text, so that one may hold another."""
        sources = [n for n in _descendants(root) if n.type in {"variable_assignment", "for_statement", "command"}][:MAX_COMMANDS]
        for _ in range(2):
            for node in sources:
                if node.type == "command":
                    words = self._source(node).split()
                    self._tainted.update({w: False for w in words[1:] if words[0] in {"read", "mapfile", "readarray"} and w.isidentifier()})
                    continue
                names = [self._source(child) for child in node.named_children if child.type == "variable_name"]
                values = [self._word(v) for v in node.children_by_field_name("value")]
                if names and any(value.tainted or (node.type == "for_statement" and value.pattern) for value in values):
                    self._tainted[names[0]] = any(not value.alone for value in values)

    def _source(self, node: Node) -> str:
        return self._data[node.start_byte : node.end_byte].decode("utf-8", "replace")


def _descendants(node: Node) -> Iterator[Node]:
    stack = [node]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.children)


def _operator(node: Node) -> str:
    return next((child.type for child in node.children if not child.is_named), "")


def _ansi(match: re.Match[str]) -> str:
    code = match.group(1)
    if code[0] in "xuU" and len(code) > 1:
        number = int(code[1:], 16)
        return chr(number) if number <= 0x10FFFF else "\ufffd"
    return chr(int(code, 8) & 0xFF) if code[0] in "01234567" else _ANSI.get(code, code)


def _put_out(command: Command) -> str | None:
    """The output of a command that only repeats what the script says: echo, printf of one text, cat, base64 -d."""
    if any(word.dynamic or word.pattern for word in command.words) or not command.words:
        return None
    name, *rest = [word.text for word in command.words]
    given = command.given.text if command.given.source is Source.TEXT else None
    if name in {"echo", "print"}:
        while rest and re.fullmatch(r"-[neE]+", rest[0]):
            rest.pop(0)
        return " ".join(rest)
    if name == "printf" and rest and (len(rest) == 1 or (len(rest) == 2 and rest[0] in {"%s", "%s\\n", "%b", "%b\\n"})):
        return rest[-1].replace("\\n", "\n")
    if name == "cat" and not rest:
        return given
    if name == "base64" and given is not None and rest in (["-d"], ["--decode"], ["-D"], ["-di"]):
        return _decoded(given)
    return None


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
