"""Errors of the HTTP servers, answered as TensorFlow Serving answers them."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_LOG = logging.getLogger(__name__)


class ErrorsAnswered:
    """ASGI middleware that logs an unexpected exception and answers status 500."""

    def __init__(self, app: App):
        """Wraps an application."""
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handles a request; see ASGI."""
        has_begun = False

        async def watched_send(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception as e:
            if scope["type"] != "http":
                raise
            _LOG.exception("%s %r failed", scope["method"], scope["path"])
            if has_begun:  # The server closes the connection.
                raise
            reason = f"The server failed ({type(e).__name__}); its log has the details."
            await send_error(send, 500, reason)


async def send_error(
    send: Send,
    status: int,
    reason: str,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Sends a whole response with the body `{"error": "..."}`.

    Args:
      send: See ASGI.
      status: The HTTP status.
      reason: What is wrong.
      headers: Further headers.
    """
    body = json.dumps({"error": reason}).encode()
    own = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send(
        {"type": "http.response.start", "status": status, "headers": [*own, *headers]}
    )
    await send({"type": "http.response.body", "body": body})
