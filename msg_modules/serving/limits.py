"""Limits on request size, concurrency and time."""

from __future__ import annotations

import asyncio
import zlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from msg_modules.common import asgi
from msg_modules.configs import ServeLimits

# Answered even if the server is busy.
_UNLIMITED = ("/healthz", "/metrics")
# A client that is still sending when the connection is closed cannot read the error.
# An oversized body is therefore read and discarded, up to this multiple of the limit.
_DRAIN_FACTOR = 16
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


class _Refused(Exception):
    """A request rejected with a status and a reason."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


class Limited:
    """ASGI middleware that buffers requests and rejects those beyond the limits."""

    def __init__(self, app: ASGIApp, limits: ServeLimits):
        """Wraps an application."""
        self._app = app
        self._limits = limits
        self._active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request; see ASGI."""
        if scope["type"] != "http" or scope["path"] in _UNLIMITED:
            await self._app(scope, receive, send)
            return
        try:
            if self._active >= self._limits.max_concurrency:
                raise _Refused(
                    503,
                    f"The server is busy with {self._active} requests, the limit; try"
                    " again soon.",
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
            reason = f"The request was not complete within {seconds:g} seconds."
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
            # A partial response cannot be replaced by an error; the connection is
            # closed.
            if not has_begun:
                reason = f"The request was not answered within {seconds:g} seconds."
                raise _Refused(504, reason) from e

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Reads and decompresses the body; None if the client has disconnected."""
        longest = self._limits.max_body_bytes
        most = _DRAIN_FACTOR * longest
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
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
        is_gzip = b"gzip" in headers.get(b"content-encoding", b"")
        if is_gzip and body and size <= longest:
            body = _decompress(body, longest)
            size = len(body)
        if size > longest:
            raise _Refused(413, f"The body is larger than {longest} bytes, the limit.")
        return bytes(body)


def _decompress(body: bytearray, longest: int) -> bytearray:
    """Decompresses a body, but not much beyond the longest that is allowed."""
    gzip = zlib.decompressobj(_GZIP_FORMAT)
    try:
        content = gzip.decompress(body, longest + 1)
    except zlib.error as e:
        reason = f"The body cannot be decompressed ({e}), but its encoding is gzip."
        raise _Refused(400, reason) from e
    if not gzip.eof and len(content) <= longest:
        raise _Refused(400, "The body ends before its gzip data does.")
    return bytearray(content)


async def _refuse(send: Send, refused: _Refused) -> None:
    # Unread bytes of this request must not be parsed as the next one.
    headers = [(b"connection", b"close")]
    if refused.status == 503:
        headers.append((b"retry-after", b"1"))
    await asgi.send_error(send, refused.status, str(refused), headers)
