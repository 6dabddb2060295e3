"""The HTTP face: parse at the edge, call the one classifier, render; every failure is a denial or an RFC 9457 problem."""

from intent.api.app import create_app

__all__ = ["create_app"]
