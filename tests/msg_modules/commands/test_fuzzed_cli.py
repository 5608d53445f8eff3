"""`msg-gan` with arguments that nobody thought of ends in good order."""

from __future__ import annotations

import os
import pathlib
import shutil
import webbrowser

import fuzzing
import hypothesis
import pytest
from hypothesis import strategies as st

from msg_modules import cli

pytestmark = pytest.mark.slow

COMMANDS = fuzzing.subcommands(cli.main)
GOOD = {
    "--model": "half",
    "--output": "new.gif",
    "--serving-dir": "half",
    "--keep": "2",
    "--run": "run",
    "--root": "run",
    "--examples": "empty",
    "--format": "onnx",
}


@pytest.fixture
def place(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> pathlib.Path:
    """A working directory with what looks like a generator or a run and is neither.

    So nothing can begin to work, whatever the other arguments are.
    """
    import tensorflow as tf

    directory = tmp_path / "place"
    fuzzing.make_place(directory)
    shutil.copytree(serving_dir / "7", directory / "half" / "1")
    (directory / "half" / "1" / "variables" / "variables.index").unlink()
    tf.saved_model.save(tf.Module(), str(directory / "other" / "1"))
    for name in (
        "metadata.sqlite",
        "GanEvaluator/evaluation/1/metrics.json",
        "Transform/transformed_examples/1/Split-train/transformed_examples.gz",
        "samples/step-00000001.png",
    ):
        path = directory / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x00\xff")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("HOME", str(tmp_path))
    return directory


@pytest.fixture(autouse=True)
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda url: True)


@pytest.mark.parametrize("name", COMMANDS)
@hypothesis.given(data=st.data())
def test_whatever_the_arguments_a_line_says_what_is_wrong(
    place: pathlib.Path, name: str, data: st.DataObject
):
    before = _files(place)
    words = data.draw(fuzzing.arguments(COMMANDS[name], GOOD))
    ended = fuzzing.check(COMMANDS[name], words)
    # The one command that makes directories before it finds out.
    if ended.status and name != "train":
        assert _files(place) == before, words


@pytest.mark.parametrize(
    "words",
    [
        ["info", "--model", "half"],
        ["info", "--model", "other"],
        ["info", "--model", "x\0y"],
        ["timelapse", "--run", "run", "--output", "new.gif"],
        ["report", "--run", "run"],
        ["explore", "--model", "half", "--host", "a" * 300, "--port", "0"],
        ["serve", "--model", "half", "--limits.timeout-seconds", "inf"],
        ["train", "--examples", "empty", "--output", "o", "--train.r1-gamma", "inf"],
    ],
    ids=" ".join,
)
def test_what_the_fuzz_has_found(place: pathlib.Path, words: list[str]):
    assert fuzzing.check(COMMANDS[words[0]], words).status


def _files(place: pathlib.Path) -> set[str]:
    return {
        os.path.join(root, name)
        for root, directories, files in os.walk(place)
        for name in [*directories, *files]
    }
