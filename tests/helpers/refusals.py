"""What the tests of both commands ask of wrong flags."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def status_of(main: Callable[[list[str]], int], command: list[str]) -> int | str | None:
    """The exit status of a command."""
    try:
        return main(command)
    except SystemExit as e:  # While the flags are parsed.
        return e.code


def assert_refused(
    main: Callable[[list[str]], int],
    command: list[str],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command calls them wrong arguments, in these words among others."""
    assert status_of(main, command) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    for word in words:
        assert word in error
