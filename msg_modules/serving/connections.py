"""Closes idle connections."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

# h11 or httptools, chosen by uvicorn on import.
_Protocol: Any = AutoHTTPProtocol


def closing_idle(seconds: float) -> type[asyncio.Protocol]:
    """Creates a protocol class for uvicorn, whose own waits for headers forever.

    Args:
      seconds: Idle timeout: time without a request starting or being answered. A
        connection is closed after at most twice as long.
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
            # uvicorn creates a cycle once it has read the headers of a request.
            is_idle = self.cycle is None or self.cycle.response_complete
            if is_idle and self.cycle is before:
                self.transport.close()
            else:
                self._look_again(self.cycle)

    return ClosingIdle
