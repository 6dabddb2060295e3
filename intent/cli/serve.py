"""``intent serve``: the HTTP API and the console."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic import ValidationError

from intent.cli.terminal import BundleOption, say
from intent.settings import PREFIX, Settings

NAME = "serve"
EXAMPLES = """Examples:

\b
  intent serve
  intent serve --host 0.0.0.0 --port 9000
  INTENT_API_TOKEN=$(openssl rand -hex 24) intent serve --bundle models/mine

Then open http://127.0.0.1:8080/ to try calls, or /docs for the API. Settings without an option are read from INTENT_* variables; they
are listed in docs/settings.md.
"""


def run(
    host: Annotated[str | None, typer.Option(help="Address to listen on; INTENT_HOST or 127.0.0.1 if not given.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port to listen on; INTENT_PORT or 8080 if not given.")] = None,
    bundle: BundleOption = None,
) -> None:
    """Serve the HTTP API and the console.

    The service starts without a usable model too: /readyz then answers 503, and every call is denied.
    """
    given: dict[str, Any] = {name: value for name, value in (("host", host), ("port", port), ("bundle", bundle)) if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            name = "".join(f"{PREFIX}{part}".upper() for part in fault["loc"][:1])
            say(f"settings: {f'{name}: ' if name else ''}{fault['msg']}")
        raise typer.Exit(2) from error
    from intent.api.server import serve

    serve(settings)
