"""What a Python program does, read from its syntax tree: every name that is called or handed on, resolved through its imports.

Nothing is run. A name that only running tells (``getattr``, ``eval``, an unknown module, a name that nobody defined) is doubt.
"""

from __future__ import annotations

import ast
import textwrap
import warnings
from collections.abc import Iterator
from functools import lru_cache

from intent.evidence.base import Finding
from intent.evidence.languages.names import Names
from intent.evidence.languages.requests import requested
from intent.evidence.languages.texts import command_text, is_statement, literal_text
from intent.evidence.nested import Language, Nested, Reading
from intent.evidence.reading import shown, table, weight, words_of
from intent.vocabulary import Effect

_OPENERS = frozenset("open io.open codecs.open gzip.open bz2.open lzma.open os.fdopen aiofiles.open builtins.open".split())
_SHELLS = frozenset(
    "os.system os.popen subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.Popen subprocess.getoutput subprocess.getstatusoutput commands.getoutput "
    "asyncio.create_subprocess_shell asyncio.create_subprocess_exec pexpect.run pexpect.spawn pty.spawn".split()
)
_EVALUATORS = frozenset({"eval", "exec"})
_SERIALISERS = frozenset("to_csv to_json to_html to_markdown to_string to_xml to_latex".split())


def parsed(text: str) -> ast.Module | None:
    """The tree of a program, or None where it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(textwrap.dedent(text).strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def read(text: str) -> list[Reading]:
    """What a program of bounded length does, and the programs inside it that are still to be read."""
    if not text.strip():
        return []
    tree = parsed(text)
    if tree is None:
        return [Finding("code", "no Python that can be parsed", None)]
    try:
        found = list(_Program(tree, textwrap.dedent(text).strip().splitlines()).readings())
    except RecursionError:
        return [Finding("code", "too deeply nested", None)]
    return found or [Finding("code", shown(text), Effect.NONE)]


class _Program:
    """One program: its nodes in order, its names, its lines."""

    def __init__(self, tree: ast.Module, lines: list[str]) -> None:
        self._nodes = list(ast.walk(tree))
        self._lines = lines
        self._names = Names(self._nodes)
        self._called = {id(node.func) for node in self._nodes if isinstance(node, ast.Call)}
        self._inner = {id(node.value) for node in self._nodes if isinstance(node, ast.Attribute)}

    def readings(self) -> Iterator[Reading]:
        for node in self._nodes:
            if isinstance(node, ast.Call):
                yield from self._call(node)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                yield from self._import(node)
            elif isinstance(node, ast.Attribute | ast.Name):
                yield from self._reference(node)
            elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
                yield from (self._finding(node, Effect.CHANGE) for name in self._names.resolved(node.value) if name == "os.environ")

    def _import(self, node: ast.Import | ast.ImportFrom) -> Iterator[Reading]:
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or "."]
        star = any(alias.name == "*" for alias in node.names)
        if star or any(not _knows_module(module) for module in modules):
            yield self._finding(node, None)

    def _reference(self, node: ast.Attribute | ast.Name) -> Iterator[Reading]:
        """A name that is not called here may be called elsewhere: what it could do counts."""
        if isinstance(node, ast.Attribute) and node.attr in _list("dynamic"):
            yield self._finding(node, None)
        if id(node) in self._called or id(node) in self._inner:
            return
        if isinstance(node, ast.Name) and node.id in {"__builtins__", "__loader__"} and not self._names.is_local(node.id):
            yield self._finding(node, None)
        stored = not isinstance(node.ctx, ast.Load)
        for name in self._names.resolved(node):
            effect, exact = _looked_up(name)
            if isinstance(node, ast.Name) and name not in self._names.imported.values() and self._names.is_local(node.id):
                continue
            if name in _OPENERS:
                yield self._finding(node, None)
            elif exact and effect is not Effect.NONE:
                yield self._finding(node, Effect.CHANGE if stored and effect is Effect.READ else effect)

    def _call(self, node: ast.Call) -> Iterator[Reading]:
        names = self._names.resolved(node.func)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if (special := self._special(node, names, method)) is not None:
            yield from special
            return
        if not names:
            # A function or a method of something that the program itself made.
            yield from self._found(node, _by_method(method, node) if method else Effect.NONE)
            return
        for name in names:
            yield from self._found(node, self._named(name, method, node))

    def _named(self, name: str, method: str, node: ast.Call) -> Effect | None:
        effect, exact = _looked_up(name)
        if exact or not method:
            return effect
        by_method = _by_method(method, node)
        return by_method if effect is not None and weight(by_method) > weight(effect) else effect

    def _found(self, node: ast.AST, effect: Effect | None) -> Iterator[Reading]:
        if effect is not Effect.NONE:
            yield self._finding(node, effect)

    def _special(self, node: ast.Call, names: frozenset[str], method: str) -> list[Reading] | None:
        """Calls whose arguments decide."""
        if names & _OPENERS or (
            method == "open" and not names - {n for n in names if n.startswith("pathlib.")} and not names & {"os.open", "webbrowser.open"}
        ):
            return [self._finding(node, _opened(node, 1 if names & _OPENERS else 0))]
        if names & _SHELLS:
            return self._shell(node)
        if names & _EVALUATORS:
            text = literal_text(node.args[0], self._names) if node.args else None
            return (
                [Nested(Language.PYTHON, text.text), *([] if text.whole else [self._finding(node, None)])]
                if text
                else [self._finding(node, None)]
            )
        if (effect := requested(node, names, method, self._names)) is not None:
            return [self._finding(node, found) for found in effect]
        if method in _list("sql_methods") and (node.args or node.keywords):
            return self._statement(node, method)
        return None

    def _shell(self, node: ast.Call) -> list[Reading]:
        texts = [command_text(argument, self._names) for argument in node.args[:1]] or [None]
        if len(node.args) > 1 and all(isinstance(a, ast.Constant) for a in node.args[:2]):
            texts = [command_text(ast.List(elts=node.args, ctx=ast.Load()), self._names)]
        text = texts[0]
        if text is None:
            return [self._finding(node, None)]
        return [Nested(Language.SHELL, text)]

    def _statement(self, node: ast.Call, method: str) -> list[Reading] | None:
        text = literal_text(node.args[0], self._names) if node.args else None
        if text is not None and is_statement(text.text):
            return [Nested(Language.SQL, text.text)]
        if text is None and method.startswith(("execut", "read_sql", "exec_")):
            return [self._finding(node, None)]
        return None

    def _finding(self, node: ast.AST, effect: Effect | None) -> Finding:
        number = getattr(node, "lineno", 1)
        return Finding("code", shown(self._lines[number - 1] if number <= len(self._lines) else ""), effect)


def _opened(node: ast.Call, position: int) -> Effect | None:
    """The mode of an ``open``."""
    given = [keyword.value for keyword in node.keywords if keyword.arg == "mode"]
    given += node.args[position : position + 1]
    if any(keyword.arg is None for keyword in node.keywords) or any(isinstance(arg, ast.Starred) for arg in node.args):
        return None
    if not given:
        return Effect.READ
    mode = given[0].value if isinstance(given[0], ast.Constant) else None
    if not isinstance(mode, str):
        return None
    return Effect.CHANGE if set(mode) & set("wax+") else Effect.READ


def _by_method(method: str, node: ast.Call) -> Effect:
    if method in _SERIALISERS and not node.args and not any(k.arg in {"path_or_buf", "buf", "path", None} for k in node.keywords):
        return Effect.NONE
    kinds = (("disclose_methods", Effect.DISCLOSE), ("methods_change", Effect.CHANGE), ("methods_read", Effect.READ))
    return next((effect for kind, effect in kinds if method in _list(kind)), Effect.NONE)


def _looked_up(name: str) -> tuple[Effect | None, bool]:
    """The effect of a dotted name, and whether the table means it and not only its module."""
    if "." not in name and name in _list("builtins_pure"):
        return Effect.NONE, True
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        opening = ".".join(parts[:length])
        whole = length == len(parts)
        if whole and opening in _names():
            return _names()[opening], True
        if f"{opening}." in _names():
            return _names()[f"{opening}."], length > 1 or _names()[f"{opening}."] is not Effect.NONE
        if opening in _names():
            return _names()[opening], False
    return None, False


def _knows_module(module: str) -> bool:
    return any(
        name == module or name.startswith(f"{module}.") or (name.endswith(".") and f"{module}.".startswith(name)) for name in _names()
    )


@lru_cache(maxsize=16)
def _list(kind: str) -> frozenset[str]:
    return words_of(table("code")["python"][kind])


@lru_cache(maxsize=1)
def _names() -> dict[str, Effect | None]:
    """Names and modules to effects; the weightier list wins where a name stands in two."""
    kinds: tuple[tuple[str, Effect | None], ...] = (
        ("pure", Effect.NONE), ("read", Effect.READ), ("doubt", None), ("change", Effect.CHANGE), ("disclose", Effect.DISCLOSE),
    )  # fmt: skip
    return (
        {name: effect for kind, effect in kinds for name in _list(kind)}
        | dict.fromkeys((*_SHELLS, "urllib.request."), None)
        | dict.fromkeys(_OPENERS, Effect.READ)
    )
