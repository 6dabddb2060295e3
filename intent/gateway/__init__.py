"""Stands before MCP servers, and lets a call through only when the decision point allows it and every obligation is carried out.

`IntentMiddleware` guards a server of one's own; `build` puts any servers of an ``mcpServers`` file behind one guarded server.
"""
