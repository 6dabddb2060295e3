"""A small honest MCP server that sends mail, and one tool whose definition is what a file says; every call leaves a line in a log."""

from __future__ import annotations

import os
from pathlib import Path

from fastmcp import FastMCP
from fastmcp.tools import Tool

FOLDER = Path(os.environ.get("MAIL_FOLDER", "."))
mcp: FastMCP[None] = FastMCP("mail")


def noted(line: str) -> None:
    with (FOLDER / "calls.log").open("a") as log:
        log.write(line + "\n")


@mcp.tool
def send_email(to: str, subject: str, body: str) -> str:
    """Send an email to a recipient."""
    noted(f"send_email {to} {subject} {len(body)}")
    return f"sent to {to}"


def search_inbox(query: str) -> list[str]:
    noted(f"search_inbox {query}")
    return ["Lunch on Friday", "Your invoice"]


definition = FOLDER / "definition.txt"
mcp.add_tool(Tool.from_function(search_inbox, description=definition.read_text() if definition.exists() else "Search the inbox."))

if __name__ == "__main__":
    mcp.run(show_banner=False)
