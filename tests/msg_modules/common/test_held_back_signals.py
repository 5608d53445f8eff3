from __future__ import annotations

import contextlib
import ctypes
import logging
import pathlib
import signal
import sys
import threading
import weakref
from collections.abc import Iterator

import pytest

from msg_modules.common import signals
from msg_modules.common.errors import Interrupted

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """What a signal does here is as before when a test has ended."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_waits_for_the_end_of_the_block(number: signal.Signals):
    delivered = []
    signal.signal(number, lambda number, frame: delivered.append(number))
    done = []

    with pytest.raises(Interrupted) as caught, signals.held_back() as received:
        assert list(received) == []
        signal.raise_signal(number)
        done.append("the rest of the block")
        assert list(received) == [number]
        assert delivered == []

    assert done
    assert delivered == [number]
    assert caught.value.signal_number == number


def test_ctrl_c_is_what_it_is_in_python():
    # A shell that runs this in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), signals.held_back():
        signal.raise_signal(signal.SIGINT)


def test_without_a_signal_nothing_happens():
    before = [signal.getsignal(number) for number in SIGNALS]

    with signals.held_back() as received:
        pass

    assert received == []
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_what_fails_meanwhile_is_told(tmp_path: pathlib.Path):
    signal.signal(signal.SIGTERM, lambda number, frame: None)

    with pytest.raises(FileNotFoundError), signals.held_back():
        signal.raise_signal(signal.SIGTERM)
        (tmp_path / "missing").read_text()


def test_an_ignored_signal_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    with signals.held_back() as received:
        signal.raise_signal(signal.SIGINT)

    assert received == []


def test_another_thread_can_train_as_well():
    seen = []

    def work() -> None:
        with signals.held_back() as received:
            seen.append(list(received))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert seen == [[]]


class _Thing:
    """Can be referred to weakly."""


def _lose_an_interruption() -> list[str]:
    """Receives SIGINT where Python discards what the handler raises."""
    thing = _Thing()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    assert reference() is None
    return ["went on"]


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_that_python_discards_is_raised_at_the_next_check():
    went_on = []

    with pytest.raises(Interrupted) as caught, signals.caught("Go on."):
        went_on = _lose_an_interruption()
        signals.check("Trainer")
        went_on.append("beyond the check")

    assert went_on == ["went on"]
    assert (caught.value.place, caught.value.advice) == ("Trainer", "Go on.")
    signals.check()  # It is over.


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "error", [None, RuntimeError("a consequence"), BaseException("a panic")]
)
def test_an_interruption_that_python_discards_is_raised_at_the_end(
    error: BaseException | None,
):
    with pytest.raises(Interrupted) as caught, signals.caught():
        _lose_an_interruption()
        if error:
            raise error

    assert caught.value.signal_number == signal.SIGINT


def test_what_c_code_prints_of_an_interruption_is_not_shown(
    capsys: pytest.CaptureFixture[str],
):
    fail = ctypes.pythonapi.PyRun_SimpleString
    with pytest.raises(Interrupted), signals.caught():
        assert fail(b"raise SystemError('of something else')") == -1
        _lose_an_interruption()
        assert fail(b"raise SystemError('a result with an exception set')") == -1

    error = capsys.readouterr().err
    assert "of something else" in error
    assert "exception set" not in error


def test_a_signal_at_the_end_does_not_keep_anything_from_being_restored(
    monkeypatch: pytest.MonkeyPatch,
):
    hooks = sys.unraisablehook, sys.excepthook
    before = [signal.getsignal(number) for number in SIGNALS]
    restore = signal.signal

    def interrupted(number: int, handler: signal.Handlers) -> None:
        monkeypatch.undo()
        signal.raise_signal(signal.SIGTERM)
        restore(number, handler)

    with pytest.raises(Interrupted) as caught, signals.caught():
        monkeypatch.setattr(signal, "signal", interrupted)

    assert caught.value.signal_number == signal.SIGTERM
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert (sys.unraisablehook, sys.excepthook) == hooks
    assert not logging.root.manager.disable
    signals.check()


def test_threads_that_fail_because_of_an_interruption_print_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)

    def fail() -> None:
        thread = threading.Thread(target=lambda: {}["what it served"])
        thread.start()
        thread.join()

    with signals.caught("Go on."):
        fail()
    assert "what it served" in capsys.readouterr().err

    with pytest.raises(Interrupted), signals.caught("Go on."):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            fail()
    fail()
    assert capsys.readouterr().err == ""


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_block_that_holds_signals_back_does_not_begin_after_one():
    with pytest.raises(Interrupted), signals.caught():
        _lose_an_interruption()
        with signals.held_back():
            pytest.fail("It began.")


def test_a_library_that_catches_an_interruption_does_not_log_it(
    caplog: pytest.LogCaptureFixture,
):
    # Not a real one, whose level and handlers other tests may have changed.
    library = logging.getLogger("some_library")

    with pytest.raises(Interrupted), signals.caught():
        library.warning("before")
        with contextlib.suppress(Exception):
            signal.raise_signal(signal.SIGTERM)
        library.error("could not transform")
    library.warning("after")

    assert [record.message for record in caplog.records] == ["before", "after"]
