"""Whatever a command raises ends in one line and a documented exit status."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from msg_modules.common import outcome
from msg_modules.common.errors import ConfigError, Interrupted, RunError


def _raises(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def _line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ConfigError("steps is 0;\n it must be 1."), 2, "steps is 0; it must be 1."),
        (RunError("The loss is NaN."), 1, "The loss is NaN."),
        (ZeroDivisionError("by zero"), 1, "by zero (use --verbose for details)"),
        (AssertionError(), 1, "AssertionError (use --verbose for details)"),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (Interrupted(15, "Go on."), 143, "Interrupted. Go on."),
        (Interrupted(2, "Go on.", "Trainer"), 130, "Interrupted in Trainer. Go on."),
    ],
)
def test_what_is_raised_is_told_in_a_line(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
):
    assert outcome.run(_raises(error), []) == status

    assert _line(capsys) == line


def test_the_traceback_is_shown_on_request(capsys: pytest.CaptureFixture[str]):
    assert outcome.run(_raises(ZeroDivisionError("by zero")), ["--verbose"]) == 1

    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1].startswith("error: by zero")


def test_an_error_of_the_file_system_names_the_path_the_cause_and_a_remedy(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "two  spaces"
    file.touch()
    for command, words in (
        (lambda: (tmp_path / "none").read_text(), ("none': No such file", "check")),
        (lambda: (file / "x").write_text(""), ("two  spaces/x': Not a dir", "choose")),
        (lambda: tmp_path.read_bytes(), (f"'{tmp_path}': Is a dir", "choose")),
        (lambda: (tmp_path / ("a" * 300)).touch(), ("File name too long", "shorter")),
        (lambda: pathlib.Path("/proc/x").touch(), ("'/proc/x'",)),
        (_fill_the_disk, ("no space left", "free some space")),
    ):
        assert outcome.run(command, []) == 1
        line = _line(capsys)
        for word in words:
            assert word in line


def _fill_the_disk() -> None:
    with open("/dev/full", "w") as full:
        full.write("x")
