"""`msg-gan` with arguments that nobody thought of ends in good order."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import shutil

import hypothesis
import pytest
from hypothesis import strategies as st

from msg_modules import cli

NUMBERS = st.sampled_from(
    [
        *("0", "-1", "1", "2", "64", "10001", str(2**31), str(2**63), "-" + "9" * 30),
        *("nan", "inf", "-inf", "1e400", "-0.0", "1e-400", "9" * 5000, "0x10", "1_0"),
        *("", " ", "٣", "1.5", "None", "true"),
    ]
)
# Not one of them is a generator, nor a run: nothing here shall begin to work.
PATHS = st.sampled_from(
    [
        *("", ".", "..", "/", "~", "none", "none/none", "file", "file/below"),
        *("../../../../etc/passwd", "/etc/passwd", "/dev/null", "/proc/self/mem"),
        *("a" * 300, "a/" * 3000, "ключ", "🙂.png", "a b", "-", "--", "*", "[", "\n"),
        *("\udcff", "x.npz", "x.gif", "x.PNG", ".png", "x.png/", "x.mp4", "x.onnx"),
        *("empty", "half", "other", "%s", "{}", "$(id)", "file://x", "gs://none/x"),
    ]
)
WORDS = st.one_of(NUMBERS, PATHS, st.text(st.characters(exclude_characters="\0")))
FLAGS = {
    "model": PATHS,
    "serving-dir": PATHS,
    "output": PATHS,
    "run": PATHS,
    "root": PATHS,
    "examples": PATHS,
    "num-images": NUMBERS,
    "num-seeds": NUMBERS,
    "seed": NUMBERS,
    "seeds": NUMBERS,
    "label": WORDS,
    "labels": WORDS,
    "steps": NUMBERS,
    "scale": st.sampled_from(["7", "28", "all", "9", ""]),
    "truncation": NUMBERS,
    "format": st.sampled_from(["onnx", "tflite", "x"]),
    "batch-size": NUMBERS,
    "port": NUMBERS,
    "to": NUMBERS,
    "keep": NUMBERS,
    "host": WORDS,
    "name": WORDS,
    "limits.max-images": NUMBERS,
    "limits.timeout-seconds": NUMBERS,
    "limits.batch-wait-ms": NUMBERS,
    "train.steps": NUMBERS,
    "train.batch-size": NUMBERS,
    "train.seed": NUMBERS,
    "model.latent-dim": NUMBERS,
}
# What a command asks for, so that it gets further than to say what is missing.
NEEDED = {
    "sample": ["model", "output"],
    "interpolate": ["model", "output"],
    "sheet": ["model", "output"],
    "real": ["run", "output"],
    "timelapse": ["run", "output"],
    "info": ["model"],
    "export": ["model", "output", "format"],
    "serve": ["model"],
    "versions": ["serving-dir"],
    "rollback": ["serving-dir"],
    "prune": ["serving-dir", "keep"],
    "evaluate": ["model", "run"],
    "report": ["run"],
    "runs": ["root"],
    "train": ["examples", "output"],
}


@st.composite
def _arguments(draw: st.DrawFn) -> list[str]:
    command = draw(st.sampled_from(sorted(NEEDED)))
    more = draw(st.lists(st.sampled_from(sorted(FLAGS)), max_size=2))
    arguments = [command]
    for flag in dict.fromkeys([*NEEDED[command], *more]):
        value = draw(FLAGS[flag])
        # The one command that makes directories before it finds out.
        is_training = command == "train" and flag == "output"
        arguments += [f"--{flag}", "out" if is_training else value]
    return arguments + draw(st.lists(WORDS, max_size=1))


@pytest.fixture
def place(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> pathlib.Path:
    """A working directory with what looks like a generator and is none."""
    import tensorflow as tf

    directory = tmp_path / "place"
    (directory / "empty").mkdir(parents=True)
    (directory / "file").write_bytes(b"\x00\xff")
    shutil.copytree(serving_dir / "7", directory / "half" / "1")
    (directory / "half" / "1" / "variables" / "variables.index").unlink()
    tf.saved_model.save(tf.Module(), str(directory / "other" / "1"))
    monkeypatch.chdir(directory)
    return directory


@hypothesis.given(arguments=_arguments())
@hypothesis.example(["info", "--model", "half"])
@hypothesis.example(["info", "--model", "other"])
@hypothesis.settings(
    max_examples=250,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
def test_whatever_the_arguments_a_line_says_what_is_wrong(
    place: pathlib.Path, arguments: list[str]
):
    before = _files(place)
    # Strict, as a terminal's encoding is, where pytest's takes everything.
    output, errors = io.BytesIO(), io.BytesIO()
    with (
        contextlib.redirect_stdout(io.TextIOWrapper(output, "utf-8")) as out,
        contextlib.redirect_stderr(
            io.TextIOWrapper(errors, "utf-8", "backslashreplace")
        ) as err,
    ):
        try:
            status = cli.main(arguments)
            is_usage = False
        except SystemExit as e:
            # Of the parser, which draws a frame around its message.
            status, is_usage = e.code, True
        out.flush()
        err.flush()
        lines = errors.getvalue().decode().splitlines()

    assert status in ((0, 2) if is_usage else (0, 1, 2)), arguments
    assert not any("Traceback" in line for line in lines), arguments
    if status and not is_usage:
        (line,) = lines
        assert line.startswith("error: "), arguments
    if status:
        assert _files(place) == before, arguments


def _files(place: pathlib.Path) -> set[str]:
    return {
        os.path.join(root, name)
        for root, directories, files in os.walk(place)
        for name in [*directories, *files]
    }
