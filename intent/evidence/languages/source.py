"""Program text of a language that nobody named: Python where it parses as that, JavaScript where it looks like it, else doubt."""

from __future__ import annotations

import ast
import re

from intent.evidence.base import Finding
from intent.evidence.languages import javascript, python
from intent.evidence.nested import Reading

_PYTHON_ONLY = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.With, ast.For, ast.Try, ast.Global)
_JAVASCRIPT_NAMES = frozenset(
    "console document window fetch require process Math JSON axios navigator localStorage sessionStorage page Promise Array Object Deno Bun globalThis location".split()
)
_JAVASCRIPT = re.compile(
    r"\b(?:const|let|var)\s+[\w${\[]|=>|\bfunction\s*\w*\s*\(|===|!==|\bawait\s+\w|\bnew\s+[A-Z]|\bconsole\.\w|\bdocument\.|\brequire\s*\(|^\s*//|\bimport\s+.*\bfrom\s*['\"]|`[^`]*\$\{|\bfor\s*\(|\bif\s*\(.*\)\s*\{",
    re.MULTILINE,
)


def looks_like_javascript(text: str) -> bool:
    """Whether a text that is no Python has something that JavaScript is written with.

    >>> looks_like_javascript("let x = 1"), looks_like_javascript("puts 'x'")
    (True, False)
    """
    return bool(_JAVASCRIPT.search(text))


def read(text: str) -> list[Reading]:
    """What a program does, its language told by its form."""
    if not text.strip():
        return []
    tree = python.parsed(text)
    if tree is None:
        return javascript.read(text) if looks_like_javascript(text) else [Finding("code", "a language that is not read", None)]
    if not any(isinstance(node, _PYTHON_ONLY) for node in ast.walk(tree)) and _free_names(tree) & _JAVASCRIPT_NAMES:
        return javascript.read(text)
    return python.read(text)


def _free_names(tree: ast.Module) -> set[str]:
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    stored = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    return {node.id for node in names} - stored
