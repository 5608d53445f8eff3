"""Nobody gets more of the server than its share: length, number and time."""

from __future__ import annotations

import asyncio

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from msg_modules.configs import ServeLimits

# Answered however busy the server is.
_UNLIMITED = ("/healthz", "/metrics")
# A client that is still sending when its connection is closed does not get to read why.
# A body that is too long is therefore read and thrown away, up to so many times the
# limit.
_READ_OUT = 16


class _Refused(Exception):
    """A request that gets a status and a reason."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


class Limited:
    """Reads whole requests, and answers those beyond the limits by itself."""

    def __init__(self, app: ASGIApp, limits: ServeLimits):
        """Wraps an application."""
        self._app = app
        self._limits = limits
        self._active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; see ASGI."""
        if scope["type"] != "http" or scope["path"] in _UNLIMITED:
            await self._app(scope, receive, send)
            return
        try:
            if self._active >= self._limits.max_concurrency:
                raise _Refused(
                    503,
                    f"{self._active} requests are being answered, which is the limit;"
                    " try again soon.",
                )
            self._active += 1
            try:
                await self._answer(scope, receive, send)
            finally:
                self._active -= 1
        except _Refused as e:
            await _refuse(send, e)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        seconds = self._limits.timeout_seconds
        try:
            body = await asyncio.wait_for(self._read(scope, receive), seconds)
        except asyncio.TimeoutError as e:
            reason = f"The request did not come whole within {seconds:g} seconds."
            raise _Refused(408, reason) from e
        if body is None:
            return
        has_begun, is_read = False, False

        async def watched_send(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        async def read() -> Message:
            nonlocal is_read
            if is_read:
                return await receive()
            is_read = True
            return {"type": "http.request", "body": body, "more_body": False}

        try:
            await asyncio.wait_for(self._app(scope, read, watched_send), seconds)
        except asyncio.TimeoutError as e:
            # A client that has part of an answer and takes no more loses its
            # connection.
            if not has_begun:
                reason = f"There was no answer within {seconds:g} seconds."
                raise _Refused(504, reason) from e

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None if the client has gone."""
        longest = self._limits.max_body_bytes
        most = _READ_OUT * longest
        length = dict(scope["headers"]).get(b"content-length", b"0")
        size = int(length) if length.isdigit() and int(length) > most else 0
        body = bytearray()
        is_whole = False
        while not is_whole and size <= most:
            message = await receive()
            if message["type"] != "http.request":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size <= longest:
                body += part
            is_whole = not message.get("more_body", False)
        if size > longest:
            raise _Refused(413, f"The body is longer than {longest} bytes, the limit.")
        return bytes(body)


async def _refuse(send: Send, refused: _Refused) -> None:
    body = orjson.dumps({"error": str(refused)})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        # What is left of an unread request is not the next one.
        (b"connection", b"close"),
    ]
    if refused.status == 503:
        headers.append((b"retry-after", b"1"))
    await send(
        {
            "type": "http.response.start",
            "status": refused.status,
            "headers": headers,
        }
    )
    await send({"type": "http.response.body", "body": body})
