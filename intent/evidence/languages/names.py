"""What the names of a Python program stand for: modules and functions it imports, and the kinds of the objects that it makes of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

_MOST_KINDS = 4


class Names:
    """The names of one program, told without running it; where a name is bound more than once, every binding counts.

    Attributes
    ----------
    imported
        Local name to dotted name.
    """

    def __init__(self, nodes: Sequence[ast.AST]) -> None:
        self.imported: dict[str, str] = {}
        self._values: dict[str, list[ast.expr]] = {}
        self._local: set[str] = set()
        self.parameters: set[str] = set()
        for node in nodes:
            self._note(node)
        self._kinds: dict[str, frozenset[str]] = {}
        # Twice, so that what is made of something made is known too.
        for _ in range(2):
            for name, values in self._values.items():
                found = [
                    kind
                    for value in values[:_MOST_KINDS]
                    if isinstance(value, ast.Call | ast.BinOp | ast.Await | ast.Attribute)
                    for kind in self.resolved(value)
                ]
                if found:
                    self._kinds[name] = frozenset(found[:_MOST_KINDS])

    def is_local(self, name: str) -> bool:
        """Whether the program itself binds a name, other than by an import."""
        return name in self._local

    def values(self, name: str) -> list[ast.expr]:
        """The expressions that a name is bound to by assignment."""
        return self._values.get(name, [])

    def resolved(self, node: ast.expr) -> frozenset[str]:
        """The dotted names that an expression may stand for; empty for what the program made itself.

        A name that nobody defined stands for ``?.name``.
        """
        attributes: list[str] = []
        while True:
            match node:
                case ast.Attribute(value=inner, attr=attr):
                    attributes.append(attr)
                    node = inner
                case ast.Call(func=inner) | ast.Await(value=inner) | ast.BinOp(left=inner, op=ast.Div()) | ast.Subscript(value=inner):
                    node = inner
                case _:
                    break
        roots = self._roots(node)
        tail = "".join(f".{attr}" for attr in reversed(attributes))
        return frozenset(f"{root}{tail}" for root in roots if len(root) + len(tail) < 200)

    def _roots(self, node: ast.expr) -> frozenset[str]:
        if not isinstance(node, ast.Name):
            return frozenset()
        if node.id in self.imported:
            return frozenset({self.imported[node.id]})
        if node.id in self._local:
            return self._kinds.get(node.id, frozenset()) if hasattr(self, "_kinds") else frozenset()
        return frozenset({node.id if _is_builtin(node.id) else f"?.{node.id}"})

    def _note(self, node: ast.AST) -> None:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    self.imported[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            case ast.ImportFrom(module=module, names=names):
                for alias in names:
                    self.imported[alias.asname or alias.name] = f"{module or ''}.{alias.name}".lstrip(".")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                self._local.add(name)
            case ast.arg(arg=name):
                self._local.add(name)
                self.parameters.add(name)
            case (
                ast.Name(id=name, ctx=ast.Store())
                | ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                self._local.add(name)
            case _:
                pass
        for name, value in _bound(node):
            self._values.setdefault(name, []).append(value)


def _bound(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names with the expressions they are bound to."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from ((name, value) for name in _targets(target))
        case (
            ast.AnnAssign(target=target, value=ast.expr() as value)
            | ast.AugAssign(target=target, value=value)
            | ast.NamedExpr(target=target, value=value)
        ):
            yield from ((name, value) for name in _targets(target))
        case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            yield from ((name, value) for name in _targets(target))
        case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
            yield from ((name, value) for name in _targets(target))
        case _:
            return


def _targets(node: ast.expr) -> list[str]:
    return [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)]


def _is_builtin(name: str) -> bool:
    import builtins

    return hasattr(builtins, name) or name in {"__name__", "__file__", "display", "__builtins__"}
