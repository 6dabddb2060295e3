"""The console: one server-rendered page on which a person tries calls and reads why they were judged so."""

from intent.api.console.page import STATIC, router

__all__ = ["STATIC", "router"]
