"""Connections on which nothing is asked do not stay open."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

# h11 or httptools: which one is found out when it is imported.
_Protocol: Any = AutoHTTPProtocol


def closing_idle(seconds: float) -> type[asyncio.Protocol]:
    """Makes a protocol for uvicorn, whose own waits for headers for ever.

    Args:
      seconds: A connection is closed when no request has begun, or been answered,
        for so long; at the latest after twice as long.
    """

    class ClosingIdle(_Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._look_again(None)

        def _look_again(self, before: object) -> None:
            asyncio.get_running_loop().call_later(seconds, self._look, before)

        def _look(self, before: object) -> None:
            if self.transport.is_closing():
                return
            # A cycle is a request from the end of its headers on.
            is_idle = self.cycle is None or self.cycle.response_complete
            if is_idle and self.cycle is before:
                self.transport.close()
            else:
                self._look_again(self.cycle)

    return ClosingIdle
