"""Every setting is documented as it is: name, default, range, meaning."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from intent.settings import PREFIX, Settings

BOUNDS = ("ge", "gt", "le", "min_length", "max_length")
NAMES = {bool: "`true` or `false`", str: "text", SecretStr: "text", Path: "path", int: "integer", float: "number"}
DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def documented_rows() -> list[str]:
    """The table rows that docs/settings.md must hold."""
    return [row(name, field) for name, field in Settings.model_fields.items()]


def row(name: str, field: FieldInfo) -> str:
    default = "unset" if field.default is None else f"`{str(field.default).lower() if field.default is False else field.default}`"
    return f"| `{PREFIX}{name.upper()}` | {default} | {values(field)} | {field.description} |"


def values(field: FieldInfo) -> str:
    kind = kind_of(field.annotation)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    unit = " characters" if kind in (str, SecretStr) else ""
    return ", ".join([NAMES[kind], *filter(None, [span(field) and span(field) + unit])])


def span(field: FieldInfo) -> str:
    bounds = {
        type(bound).__name__: next(value for name in BOUNDS if (value := getattr(bound, name, None)) is not None)
        for bound in field.metadata
    }
    least, most = bounds.get("Ge", bounds.get("MinLen")), bounds.get("Le", bounds.get("MaxLen"))
    if "Gt" in bounds:
        return f"above {bounds['Gt']}, at most {most}"
    return "" if most is None else f"{least} to {most}"


def kind_of(annotation: Any) -> Any:
    if isinstance(annotation, types.UnionType):
        return next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation


def test_the_document_holds_exactly_the_settings_there_are() -> None:
    lines = DOCUMENT.read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith(f"| `{PREFIX}")] == documented_rows()


def test_every_setting_has_a_description_and_a_bound() -> None:
    for name, field in Settings.model_fields.items():
        assert (field.description or "").endswith("."), name
        bounded = bool(field.metadata) or kind_of(field.annotation) in (Path, bool) or get_origin(kind_of(field.annotation)) is Literal
        assert bounded, name
