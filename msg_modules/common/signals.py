"""Graceful shutdown on Ctrl-C and SIGTERM."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from msg_modules.common.errors import Interrupted


@contextlib.contextmanager
def held_back() -> Iterator[list[int]]:
    """Defers Ctrl-C and SIGTERM to the end of the block.

    An exception raised by a signal handler can hit anywhere: while a checkpoint is
    being restored, or while TensorFlow traces a function and converts it to another
    exception. Instead, the block polls for signals where it is safe and ends early. A
    second signal of the same kind kills the process at once.

    Has no effect outside the main thread, or on a signal that the process ignores.

    Yields:
      The signals received so far, which the block should check regularly.

    Raises:
      Interrupted: At the end, if a signal was received and the previous handler
        neither raised another exception nor ended the process.
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
    """Raises `Interrupted` on the first Ctrl-C or SIGTERM; a second one kills.

    Yields:
      The signals received so far: Beam converts exceptions in its steps to text, so
      `Interrupted` may not arrive as such.
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
