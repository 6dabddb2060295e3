"""What program text does: which arguments are programs, and the findings of every call in them; dynamic tricks are doubt."""

from __future__ import annotations

import re
from functools import lru_cache

from intent.evidence import shell, sql
from intent.evidence.base import Finding, Leaf
from intent.evidence.languages import python
from intent.evidence.languages.source import looks_like_javascript
from intent.evidence.nested import Language, Nested
from intent.evidence.reading import unfenced
from intent.evidence.unfolding import unfolded

_SURE_KEYS = frozenset("python_code python_script python py_code javascript javascript_code js_code js python_source".split())
_KEYS = frozenset(
    "code source_code source script program snippet cell function expression func fn js_function statements page_function".split()
)
# Keys under which prose stands as well: only what prose does not have makes them programs.
_PROSE_KEYS = frozenset("input text command cmd content body".split())
_NOT_PROSE = re.compile(r"\w\([^()\n]*\)|^\s*[\w.\[\]'\"]+\s*[-+*/]?=\s*\S|=>|^\s*from [\w.]+ import |^\s*import [\w.]+\s*$", re.MULTILINE)
_HINT = re.compile(
    r"\b(?:python\w*|jupyter|ipython|notebook|java ?script|typescript|node ?js|node|js|code interpreter|interpreter|repl|(?:execut\w+|runs?|evaluat\w+)(?: \w+){0,3} (?:code|scripts?|program|snippet)|evaluate|eval|sandbox|pandas|browser evaluate|code)\b"
)
_CODE = re.compile(
    r"\w\s*\(|^\s*(?:import|from|def|class|for|while|if|with|try|const|let|var|function|async|return|print|del)\b|\w\s*[-+*/%]?=\s*\S|=>|;\s*$|^\s*[-+(\[]?[\w.\"'\]]+\s*(?:\*\*|//|[-+*/%])\s*[\w.(\[\"']|^\s*\w+(?:\.\w+)+\s*$|\w\[",
    re.MULTILINE,
)
_MAGIC = re.compile(r"^[ \t]*(?:!|%%(?:bash|sh|shell|cmd|script)\b|%(?:sh|sx|system)\b)(.*)$", re.MULTILINE)
_OTHER_MAGIC = re.compile(r"^[ \t]*%{1,2}\w.*$", re.MULTILINE)


def claims(leaf: Leaf, tool_words: str) -> bool:
    """Whether a leaf is to be read as a program: its key and the tool say so, and it has the form of one."""
    text = leaf.text.strip()
    if not text:
        return False
    if leaf.key in _SURE_KEYS:
        return len(text.split()) > 1 or bool(_CODE.search(text))
    if not _HINT.search(tool_words.replace("_", " ")) or sql.claims(leaf, tool_words):
        return False
    program = unfenced(text)
    if leaf.key in _PROSE_KEYS:
        return bool(_NOT_PROSE.search(program))
    if shell.claims(leaf, tool_words) and python.parsed(program) is None and not looks_like_javascript(program):
        return False
    return leaf.key in _KEYS and (bool(_CODE.search(program)) or text.startswith(("%", "!", "```")))


def findings(text: str) -> tuple[Finding, ...]:
    r"""What the calls of a program do; what cannot be parsed, and names that only running tells, are doubt.

    >>> [f.effect.value for f in findings("import os\nos.remove('a.txt')")]
    ['change']
    >>> [f.effect.value for f in findings("print(sum(range(10)))")]
    ['none']
    """
    return _findings(unfenced(text))


@lru_cache(maxsize=512)
def _findings(text: str) -> tuple[Finding, ...]:
    """Lines for a shell in a notebook's cell are read as that."""
    cell = re.match(r"\s*%%(?:bash|sh|shell|cmd|script)\b[^\n]*\n(.*)", text, re.DOTALL)
    if cell:
        return unfolded(Nested(Language.SHELL, cell.group(1)))
    shell = "\n".join(match.group(1) for match in _MAGIC.finditer(text))
    rest = _OTHER_MAGIC.sub("", _MAGIC.sub("", text))
    found = unfolded(Nested(Language.SHELL, shell)) if shell.strip() else ()
    magic = (Finding("code", "a command of the notebook", None),) if _OTHER_MAGIC.search(_MAGIC.sub("", text)) else ()
    return (*found, *magic, *(unfolded(Nested(Language.CODE, rest)) if rest.strip() or not (found or magic) else ()))
