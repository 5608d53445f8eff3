"""Ending in good order when a person or a cluster stops the process."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from msg_modules.common.errors import Interrupted


@contextlib.contextmanager
def held_back() -> Iterator[list[int]]:
    """Holds Ctrl-C and SIGTERM back, and delivers them at the end of the block.

    An exception out of a signal handler may come anywhere: while a checkpoint is
    restored, or while TensorFlow traces a function and makes another exception
    of it. Here the block finds out by itself, at a place of its choice, and ends
    early. A second signal of the same kind kills at once.

    Outside the main thread, and for a signal that the process ignores, nothing
    changes.

    Yields:
      The signals that have come so far. The block shall look into it now and
      then.

    Raises:
      Interrupted: At the end, if a signal has come and the handler that was
        there before raises nothing else and does not end the process.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(number, signal.SIG_DFL)
        received.append(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
    if received:
        signal.raise_signal(received[0])
        raise Interrupted(received[0])


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
