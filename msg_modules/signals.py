"""Ctrl-C and SIGTERM as an exception that a training answers by saving."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from msg_modules.errors import Interrupted


@contextlib.contextmanager
def caught() -> Iterator[list[int]]:
    """Turns the first Ctrl-C or SIGTERM into `Interrupted`; a second one kills.

    Yields:
      The signals that have come: Beam makes text of the exceptions of its steps.
    """
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(number, signal.SIG_DFL)
        received.append(number)
        raise Interrupted(number)

    before = {n: signal.signal(n, interrupt) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
