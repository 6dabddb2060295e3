"""Published MCP servers, installed once into ``.cache`` from the registries where they are published."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / ".cache"
NPM = {
    "filesystem": "@modelcontextprotocol/server-filesystem@2026.8.31",
    "memory": "@modelcontextprotocol/server-memory@2026.8.31",
    "everything": "@modelcontextprotocol/server-everything@2026.8.31",
}
# In environments of their own: what they need of the mcp package contradicts each other.
PYPI = {"git": ("mcp-server-git==2026.10.19",), "sqlite": ("mcp-server-sqlite==2025.4.25", "mcp<2")}


def npm(name: str) -> str:
    """Path of the command that starts a server of npm; skips the test where it can be neither found nor installed."""
    program = CACHE / "npm" / "node_modules" / ".bin" / f"mcp-server-{name}"
    if not program.exists():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed")
        _installed("npm", "install", "--no-audit", "--no-fund", "--prefix", str(CACHE / "npm"), *NPM.values())
    return str(program)


def pypi(name: str) -> str:
    """Path of the command that starts a server of PyPI; skips the test where it can be neither found nor installed."""
    folder = CACHE / f"mcp-server-{name}"
    program = folder / "bin" / f"mcp-server-{name}"
    if not program.exists():
        _installed(sys.executable, "-m", "venv", str(folder))
        _installed(str(folder / "bin" / "pip"), "install", "--quiet", *PYPI[name])
    return str(program)


def _installed(*command: str) -> None:
    CACHE.mkdir(exist_ok=True)
    found = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if found.returncode != 0:
        pytest.skip(f"a registry cannot be reached, and nothing is cached: {found.stderr.strip()[-300:]}")
