from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from msg_modules.common import console


def test_a_failure_is_one_line_on_standard_error(capsys: pytest.CaptureFixture):
    console.fail("steps is 0;\n   it must be [at least] 1")

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: steps is 0; it must be [at least] 1\n"


def test_a_path_keeps_its_spaces(capsys: pytest.CaptureFixture):
    console.fail("'two  spaces' does not exist")

    assert capsys.readouterr().err == "error: 'two  spaces' does not exist\n"


def test_what_looks_like_markup_is_said_as_it_is(capsys: pytest.CaptureFixture):
    console.say("[bold]loss[/bold] of images[3] " + "x" * 200)

    assert capsys.readouterr().out == (
        "[bold]loss[/bold] of images[3] " + "x" * 200 + "\n"
    )


def test_a_warning_is_framed_and_keeps_its_words(capsys: pytest.CaptureFixture):
    console.warn("fashion_mnist cannot be had; [garments] is used instead")

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 3
    assert "Warning" in lines[0]
    assert any("fashion_mnist cannot be had" in line for line in lines[1:-1])
    assert any("[garments]" in line for line in lines[1:-1])


def test_where_nobody_watches_there_is_no_progress_bar(capsys: pytest.CaptureFixture):
    with console.progress("training", total=10, done=2) as show:
        show(5)
        show(10)

    captured = capsys.readouterr()
    assert captured.out.strip() == ""
    assert captured.err == ""


_IMPORT = """
import os
from msg_modules.common import console
console.quiet_libraries()
import tensorflow
os.write(2, b"after")
"""


@pytest.mark.slow
def test_importing_tensorflow_prints_nothing():
    run = subprocess.run(
        [sys.executable, "-c", _IMPORT], capture_output=True, check=True
    )
    assert run.stderr == b"after"


def test_an_import_that_fails_is_told(tmp_path: pathlib.Path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('no tensors')")
    run = subprocess.run(
        [sys.executable, "-c", _IMPORT],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert run.stderr.endswith("ImportError: no tensors\n")
