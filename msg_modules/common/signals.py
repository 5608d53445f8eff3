"""Graceful shutdown on Ctrl-C and SIGTERM."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from msg_modules.common.errors import Interrupted

RESUME = "Run the same command again to resume."

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
# Signals that the innermost `caught` has received, and its advice.
_caught: tuple[list[int], str] = ([], "")


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
        neither raised another exception nor ended the process; at the start, if one
        was received before.
    """
    check()
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(number, signal.SIG_DFL)
        received.append(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in _NUMBERS:
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
def caught(advice: str = "") -> Iterator[None]:
    """Raises `Interrupted` on the first Ctrl-C or SIGTERM; a second one kills.

    The exception can get lost: Python discards it in a destructor or a weak
    reference's callback, Beam converts it to text, Rust code panics, and libraries
    catch any exception.
    The signal is therefore also noted: `check` raises it again, and so does the end of
    the block, whatever the block itself raised. What Python and libraries print of the
    lost exception is suppressed; from then on, so is what threads raise.

    Args:
      advice: A sentence on how to go on after an interruption.

    Raises:
      Interrupted: If a signal was received.
    """
    global _caught
    received: list[int] = []
    is_ending = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(number, signal.SIG_DFL)
        received.append(number)
        # Libraries that catch it would log it, as AutoGraph and TFX do.
        logging.disable()
        # Threads fail when what they serve is gone, some after the end of the block.
        threading.excepthook = lambda _: None
        if not is_ending:
            raise Interrupted(number, advice)

    outer, _caught = _caught, (received, advice)
    report_discarded = sys.unraisablehook

    def report_others(discarded: sys.UnraisableHookArgs) -> None:
        if not isinstance(discarded.exc_value, Interrupted):
            report_discarded(discarded)

    report_printed = sys.excepthook

    def report_unless_interrupted(*exception: Any) -> None:
        # Within the block, only C code that prints an exception instead of raising it
        # calls this.
        if not received:
            report_printed(*exception)

    before = {number: signal.signal(number, interrupt) for number in _NUMBERS}
    sys.unraisablehook = report_others
    sys.excepthook = report_unless_interrupted
    try:
        yield
        check()
    except Interrupted:
        raise
    except BaseException as e:
        if received:
            raise Interrupted(received[0], advice) from e
        raise
    finally:
        # A signal that arrives now must not prevent the rest.
        is_ending = True
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = report_discarded
        sys.excepthook = report_printed
        if received:
            logging.disable(logging.NOTSET)
        _caught = outer
    if received:
        raise Interrupted(received[0], advice)


def check(place: str = "") -> None:
    """Ends the work here if a signal was received; call it before what is final.

    Args:
      place: What is interrupted, if not the whole command.

    Raises:
      Interrupted: If `caught` has received a signal in a block around the caller.
    """
    received, advice = _caught
    if received:
        raise Interrupted(received[0], advice, place)
