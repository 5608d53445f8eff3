"""The runners with arguments that nobody thought of end in good order."""

from __future__ import annotations

import pathlib
import types
from collections.abc import Iterator

import fuzzing
import hypothesis
import pytest
import yaml
from hypothesis import strategies as st
from kubeflow_server import Kubeflow

from pipeline.kubeflow import command as kubeflow
from pipeline.kubeflow import remote_data
from pipeline.local import command as local

pytestmark = pytest.mark.slow

COMMANDS = {
    "local": fuzzing.describe(local.main),
    **fuzzing.subcommands(kubeflow.main),
}
# None of them needs a name server.
HOSTS = [
    *("http://a..b", "http://.a", "http://[", "http://[::1]:1", "http://127.0.0.1:x"),
    *("http://127.0.0.1:99999", "http://a b", "https://" + "a" * 300, "http://\n"),
    *("http://", "http://:1", "https://127.0.0.1:1", "http://user:p@127.0.0.1:1/x?y#z"),
]
PACKAGE = {
    "pipelineInfo": {"name": "msg-gan"},
    "schemaVersion": "2.1.0",
    "sdkVersion": "tfx-1.16.0",
    "root": {
        "dag": {"tasks": {}},
        "inputDefinitions": {
            "parameters": {
                "train_steps": {"parameterType": "NUMBER_INTEGER"},
                "min_coverage": {"parameterType": "NUMBER_DOUBLE"},
            }
        },
    },
}


@pytest.fixture
def place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A working directory with a file, an empty directory and a circular link."""
    directory = tmp_path / "place"
    fuzzing.make_place(directory)
    monkeypatch.chdir(directory)
    (directory / "pipeline.yaml").write_text(yaml.safe_dump(PACKAGE))
    monkeypatch.setenv("HOME", str(tmp_path))
    return directory


@pytest.fixture(scope="module")
def server() -> Iterator[Kubeflow]:
    server = Kubeflow()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run or a compilation ends as soon as all flags are checked."""
    compiled = types.SimpleNamespace(
        steps=list, job=None, parameters={}, to_text=lambda: "text"
    )
    monkeypatch.setattr(local, "_run", lambda config, preset: None)
    monkeypatch.setattr(remote_data, "check", lambda config: config.data)
    monkeypatch.setattr(kubeflow, "_import_compiler", lambda: lambda *args: compiled)


@pytest.mark.parametrize("name", COMMANDS)
@hypothesis.given(data=st.data())
def test_whatever_the_arguments_a_line_says_what_is_wrong(
    place: pathlib.Path, server: Kubeflow, name: str, data: st.DataObject
):
    host = data.draw(st.sampled_from([server.url] * 20 + HOSTS))
    good = {"--host": host, "--package": "pipeline.yaml"}
    words = data.draw(fuzzing.arguments(COMMANDS[name], good))
    fuzzing.check(COMMANDS[name], words)


@pytest.mark.parametrize(
    "words",
    [
        ["status", "\udcff", "--host", "HOST"],
        ["status", "run-1", "--host", "http://a..b"],
        ["wait", "run-1", "--host", "HOST", "--timeout", "nan"],
        ["submit", "--host", "HOST", "--param", "train_steps=1.5"],
        ["submit", "--host", "HOST", "--param", "min_coverage=nan"],
        ["compile", "--output", ""],
        ["compile", "--output", "socket"],
        ["compile", "--train.steps", "9" * 30],
        ["compile", "--evaluate.max-frechet", "inf"],
    ],
    ids=" ".join,
)
def test_what_the_fuzz_has_found(
    place: pathlib.Path, server: Kubeflow, words: list[str]
):
    words = [server.url if word == "HOST" else word for word in words]
    assert fuzzing.check(COMMANDS[words[0]], words).status


@hypothesis.given(data=st.data())
def test_a_damaged_package_is_named(
    place: pathlib.Path, server: Kubeflow, data: st.DataObject
):
    words = ["submit", "--host", server.url, "--param", "train_steps=1"]
    with fuzzing.damaged(place / "pipeline.yaml", data, PACKAGE, yaml.safe_dump):
        ended = fuzzing.run(kubeflow.main, words)
    fuzzing.check_outcome(ended, words)
    assert not ended.status or "pipeline.yaml" in ended.error or "param" in ended.error


@pytest.mark.parametrize("flag", ["--token-file", "--cookies-file", "--ca-cert"])
@hypothesis.given(content=st.one_of(fuzzing.CONTENTS, st.text().map(str.encode)))
@hypothesis.example(content="clé".encode())
@hypothesis.example(content=b"two\nlines")
def test_any_content_of_a_credential_is_sent_or_refused(
    place: pathlib.Path, server: Kubeflow, flag: str, content: bytes
):
    (place / "secret").write_bytes(content)
    words = ["status", "run-1", "--host", server.url, flag, "secret"]
    fuzzing.check(COMMANDS["status"], words)
