"""The commands of the guides, given to the programs that they are for."""

from __future__ import annotations

import pathlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from kubeflow_server import Kubeflow

from pipeline import flags
from pipeline.kubeflow.command import main

REPOSITORY = pathlib.Path(__file__).parents[2]
GUIDES = ("kubeflow.md", "beam.md", "data.md", "retraining.md")
PLACEHOLDERS = ("BUCKET", "PROJECT", "REGION", "REGISTRY", "REPOSITORY")
# Programs of others, which are not here.
OTHERS = {"curl", "docker", "export", "kind", "kubectl"}


def _commands(program: str) -> list[list[str]]:
    """The words of the guides' shell commands that start a program, in order."""
    commands = []
    for guide in GUIDES:
        text = (REPOSITORY / "docs" / guide).read_text()
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                commands.append(shlex.split(line))
    assert all(c[0] in {"make", "uv", *OTHERS} for c in commands)
    chosen = [c for c in commands if program in c]
    assert chosen
    return chosen


def _arguments(command: list[str], program: str) -> list[str]:
    words = command[command.index(program) + 1 :]
    for placeholder in PLACEHOLDERS:
        words = [word.replace(placeholder, placeholder.lower()) for word in words]
    return words


@pytest.fixture
def server() -> Iterator[Kubeflow]:
    server = Kubeflow()
    yield server
    server.close()


def test_the_runner_does_what_the_guides_tell_it(
    server: Kubeflow, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for command in _commands("kubeflow_runner.py"):
        words = _arguments(command, "kubeflow_runner.py")
        words = [w.replace("http://localhost:8888", server.url) for w in words]
        assert main(words) == 0, command
    assert {path.name for path in tmp_path.iterdir()} >= {
        "pipeline.yaml",
        "pipeline.json",
    }
    assert server.body_of("POST", "/runs")["service_account"] == "msg-gan"


def test_the_local_runner_knows_the_flags() -> None:
    for command in _commands("local_runner.py"):
        words = _arguments(command, "local_runner.py")
        flags.parse(flags.RunnerArgs, words, prog="local_runner.py", description="")


def test_make_has_the_targets() -> None:
    if not shutil.which("make"):
        pytest.skip("make is not installed here")
    for command in _commands("make"):
        subprocess.run(
            ["make", "--dry-run", *command[1:]],
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
        )


def test_what_is_applied_is_there() -> None:
    directories = [
        command[command.index("-k") + 1]
        for command in _commands("kubectl")
        if "-k" in command
    ]
    ours = [directory for directory in directories if directory.startswith("deploy")]
    assert len(ours) == 2
    for directory in ours:
        assert (REPOSITORY / directory / "kustomization.yaml").is_file()


def test_each_flag_that_is_named_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("compile", "submit", "schedule", "upload", "status", "wait"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
    known = set(re.findall(r"--[a-z][\w.-]*", capsys.readouterr().out))
    text = (REPOSITORY / "docs" / "kubeflow.md").read_text()
    # Those at the beginning of what is set as code: later ones may be kubectl's.
    named = set(re.findall(r"`(--[a-z][\w.-]*)", text))
    assert len(named) > 20
    assert named - known == set()
