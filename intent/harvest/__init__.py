"""Ask live MCP servers for their tools: started as a child process, or reached over streamable HTTP.

No tool is ever called. What comes back is untrusted text: it is bounded, strictly parsed, and kept as the server gave it.
"""

from intent.harvest.rows import corpus_rows, write_rows
from intent.harvest.session import Answer, Harvested, Limits, harvest, harvest_many
from intent.harvest.spec import ServerSpec, parse_command, parse_url, read_config

__all__ = [
    "Answer",
    "Harvested",
    "Limits",
    "ServerSpec",
    "corpus_rows",
    "harvest",
    "harvest_many",
    "parse_command",
    "parse_url",
    "read_config",
    "write_rows",
]
