"""The example of the documentation guards the server that it shows."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from mcp.shared.exceptions import MCPError


def test_the_example_works_as_it_is_printed(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTENT_STATE", str(tmp_path / "state"))
    [code] = re.findall(r"```python\n(.*?)```", (root / "docs" / "gateway.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "gateway.md", "exec"), names)  # noqa: S102 - our own documentation

    async def story() -> None:
        async with Client(names["mcp"], mode="legacy") as client:
            found = await client.call_tool("search_notes", {"query": "lunch"}, meta={"io.intent/request": "Find my notes about lunch"})
            assert found.data == ["Lunch on Friday"]
            with pytest.raises(MCPError) as caught:
                await client.call_tool("delete_note", {"title": "Lunch"}, meta={"io.intent/request": "Summarize my notes"})
            assert caught.value.error.code == -32001
            assert "mismatch" in {reason["code"] for reason in caught.value.error.data["reasons"]}

    asyncio.run(story())
