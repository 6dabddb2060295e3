"""Below the routes: bytes that are no HTTP request get the one error shape too, and the connection is closed."""

from __future__ import annotations

import uuid

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from intent.api.problems import MEDIA_TYPE, ProblemCode, ProblemError


class Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, with a problem in place of its plain text."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own sentence; the problem has one of its own
        """Answer what could not be read as HTTP, unless an answer is already on its way; then hang up."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            request_id = uuid.uuid4().hex
            body = ProblemError(ProblemCode.BAD_REQUEST).problem(request_id).model_dump_json().encode()
            headers = [
                ("Content-Type", MEDIA_TYPE),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
                ("X-Request-ID", request_id),
                ("X-Content-Type-Options", "nosniff"),
                ("Cache-Control", "no-store"),
            ]
            for event in (h11.Response(status_code=400, headers=headers, reason=b"Bad Request"), h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
