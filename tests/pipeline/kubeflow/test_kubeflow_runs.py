"""Commands that talk to Kubeflow, with a server that answers like it."""

from __future__ import annotations

import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import rich.console
import yaml
from kubeflow_server import Kubeflow
from refusals import status_of

from msg_modules.common import console
from pipeline.kubeflow import command, waiting

SPEC = {
    "pipelineInfo": {"name": "msg-gan"},
    "schemaVersion": "2.1.0",
    "sdkVersion": "tfx-1.16.0",
    "root": {
        "dag": {"tasks": {}},
        "inputDefinitions": {
            "parameters": {
                "train_steps": {
                    "parameterType": "NUMBER_INTEGER",
                    "defaultValue": 1500,
                },
                "min_coverage": {
                    "parameterType": "NUMBER_DOUBLE",
                    "defaultValue": 0.05,
                },
                "dataset": {"parameterType": "STRING", "defaultValue": "garments"},
            }
        },
    },
}
PLATFORM = {
    "platforms": {
        "kubernetes": {
            "deploymentSpec": {
                "executors": {"Trainer_executor": {"activeDeadlineSeconds": 60}}
            }
        }
    }
}


@pytest.fixture
def server() -> Iterator[Kubeflow]:
    server = Kubeflow()
    yield server
    server.close()


@pytest.fixture
def package(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump_all([SPEC, PLATFORM]))
    return str(path)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(waiting, "_SECONDS_BETWEEN_LOOKS", 0.01)
    # Where the SDK looks for a context.
    monkeypatch.setenv("HOME", str(tmp_path))


def _error(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


def test_submit_starts_a_run_with_typed_parameters(
    server: Kubeflow, package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "submit",
        "--host",
        server.url,
        "--package",
        package,
        "--experiment",
        "nightly",
        "--pipeline-root",
        "s3://bucket/artifacts",
        "--param",
        "train_steps=500",
        "--param",
        "min_coverage=0.1",
        "--param",
        "dataset=mnist",
    ]
    assert command.main(words) == 0
    assert "Run run-1" in capsys.readouterr().out
    assert server.body_of("POST", "/experiments")["display_name"] == "nightly"
    run = server.body_of("POST", "/runs")
    assert run["experiment_id"] == "experiment-1"
    assert run["runtime_config"] == {
        "parameters": {"train_steps": 500, "min_coverage": 0.1, "dataset": "mnist"},
        "pipeline_root": "s3://bucket/artifacts",
    }
    spec = run["pipeline_spec"]
    assert spec["pipeline_spec"]["pipelineInfo"]["name"] == "msg-gan"
    assert spec["platform_spec"] == PLATFORM


def test_submit_and_wait_ends_as_the_run_does(
    server: Kubeflow, package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["submit", "--wait", "--host", server.url, "--package", package]
    server.states = ["PENDING", "RUNNING", "RUNNING", "SUCCEEDED"]
    assert command.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == [
        f"Run run-1: {s}" for s in ("PENDING", "RUNNING", "SUCCEEDED")
    ]
    server.states = ["RUNNING", "FAILED"]
    assert command.main(words) == 1
    assert "Trainer (the loss is NaN)" in _error(capsys)


def test_a_cancelled_run_ends_the_wait(
    server: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    server.states = ["CANCELING", "CANCELED"]
    assert command.main(["wait", "run-1", "--host", server.url]) == 1
    assert "CANCELED" in _error(capsys)


def test_waiting_has_an_end(
    server: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    server.states = ["RUNNING"]
    words = ["wait", "run-1", "--timeout", "0.05", "--host", server.url]
    assert command.main(words) == 1
    line = _error(capsys)
    assert "RUNNING after 0.05 s" in line
    assert "(Trainer PENDING)" in line
    # Kubeflow says nothing of an image that is not there.
    assert "image" in line
    assert "kubectl get pods" in line


# The first contact with the server, and all others.
_CONTACTS = pytest.mark.parametrize("contact", ["health_troubles", "troubles"])


@_CONTACTS
@pytest.mark.parametrize("trouble", [None, 429, 500, 503])
def test_a_passing_trouble_does_not_end_the_wait(
    server: Kubeflow,
    capsys: pytest.CaptureFixture[str],
    trouble: int | None,
    contact: str,
) -> None:
    server.states = ["RUNNING", "RUNNING", "SUCCEEDED"]
    setattr(server, contact, [trouble] * 5)
    assert command.main(["wait", "run-1", "--host", server.url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Run run-1: SUCCEEDED"
    (told,) = [line for line in lines if "Still waiting" in line]
    assert server.url in told


@_CONTACTS
@pytest.mark.parametrize("timeout", [[], ["--timeout", "0.05"]])
def test_a_trouble_that_does_not_pass_ends_the_wait(
    server: Kubeflow,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    contact: str,
    timeout: list[str],
) -> None:
    if not timeout:
        monkeypatch.setattr(waiting, "_PATIENCE_SECONDS", 0.05)
    setattr(server, contact, [503] * 1000)
    assert command.main(["wait", "run-1", "--host", server.url, *timeout]) == 1
    assert "(503)" in _error(capsys)


def test_the_wait_does_not_begin_again_when_a_trouble_comes_at_its_end(
    server: Kubeflow,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    fake = types.SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep)
    monkeypatch.setattr(waiting, "time", fake)
    monkeypatch.setattr(waiting, "_SECONDS_BETWEEN_LOOKS", 70.0)
    server.states = ["RUNNING"]
    server.troubles = [200, *[503] * 1000]
    words = ["wait", "run-1", "--timeout", "60", "--host", server.url]
    assert command.main(words) == 1
    line = _error(capsys)
    assert "(503)" in line
    assert "Run run-1 may continue" in line
    assert "The time of --timeout is up" in line
    looks = [path for _, path, _ in server.requests if path.startswith("/runs/")]
    assert len(looks) == 2


@_CONTACTS
@pytest.mark.parametrize("trouble", [None, 503])
def test_status_rides_out_a_passing_trouble(
    server: Kubeflow,
    capsys: pytest.CaptureFixture[str],
    trouble: int | None,
    contact: str,
) -> None:
    setattr(server, contact, [trouble] * 5)
    assert command.main(["status", "run-1", "--host", server.url]) == 0
    assert "Run run-1: SUCCEEDED" in capsys.readouterr().out


@_CONTACTS
def test_status_does_not_wait_for_long(
    server: Kubeflow,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    contact: str,
) -> None:
    monkeypatch.setattr(waiting, "_SHORT_PATIENCE_SECONDS", 0.05)
    setattr(server, contact, [503] * 1000)
    assert command.main(["status", "run-1", "--host", server.url]) == 1
    assert "(503)" in _error(capsys)


@pytest.mark.parametrize(
    ("health", "words"),
    [
        ((401, "text/plain", "who are you?"), ["401", "--token-file"]),
        ((403, "text/plain", "not you"), ["403", "--token-file"]),
        ((404, "text/plain", "nothing"), ["not a Kubeflow Pipelines API", "404"]),
        ((200, "text/html", "<html>Log in"), ["not a Kubeflow Pipelines API"]),
    ],
)
@pytest.mark.parametrize("asks", ["status", "wait"])
def test_a_first_answer_that_time_does_not_mend_ends_it_at_once(
    server: Kubeflow,
    capsys: pytest.CaptureFixture[str],
    asks: str,
    health: tuple[int, str, str],
    words: list[str],
) -> None:
    server.health = health
    assert command.main([asks, "run-1", "--host", server.url]) == 1
    line = _error(capsys)
    assert all(word in line for word in words)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([socket.EAI_AGAIN] * 3, 0),
        ([socket.EAI_NONAME], 1),
        # After the first contact: then it cannot be misspelled.
        ([0, 0, *[socket.EAI_NONAME] * 8], 0),
    ],
    ids=["no answer", "not known", "no longer known"],
)
def test_a_name_that_is_not_known_at_first_is_not_waited_for(
    errors: list[int],
    status: int,
    server: Kubeflow,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve = socket.getaddrinfo

    def answer(host: Any, *rest: Any, **more: Any) -> Any:
        if host != "kubeflow.example":
            return resolve(host, *rest, **more)
        if errors and (error := errors.pop(0)):
            raise socket.gaierror(error, "no such name")
        return resolve("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    url = f"http://kubeflow.example:{server.server_port}"
    assert command.main(["wait", "run-1", "--host", url]) == status
    captured = capsys.readouterr()
    assert captured.out.count("Still waiting") == 1 - status
    assert (f"{url!r} does not exist" in captured.err) == bool(status)


@pytest.mark.parametrize("host", ["http://.example.com", f"http://{'a' * 64}.com"])
def test_a_url_without_a_host_ends_it_at_once(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["wait", "run-1", "--host", host]) == 1
    assert "--host" in _error(capsys)


def test_a_terminal_shows_the_steps_while_waiting(
    server: Kubeflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    terminal = rich.console.Console(
        file=shown, force_terminal=True, width=100, highlight=False
    )
    monkeypatch.setattr(console, "console", terminal)
    server.states = ["RUNNING", "RUNNING", "SUCCEEDED"]
    assert command.main(["wait", "run-1", "--host", server.url]) == 0
    text = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", shown.getvalue())
    lines = [" ".join(line.split()) for line in text.splitlines()]
    # While it runs, and what stays at the end.
    assert "Trainer PENDING" in lines
    assert lines[-1] == "TfdsExampleGen SUCCEEDED 0:01:30"
    assert lines.count("Run run-1: RUNNING") == 1


def test_ctrl_c_ends_the_wait_but_not_the_run(
    server: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    server.states = ["RUNNING"]

    def interrupt() -> None:
        while not any(path == "/runs/run-1" for _, path, _ in server.requests):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert command.main(["wait", "run-1", "--host", server.url]) == 130
    thread.join()
    line = _error(capsys)
    assert "The run continues" in line
    assert f"wait run-1 --host {server.url}" in line


@pytest.fixture
def certificate(tmp_path: pathlib.Path) -> Certificate:
    """A certificate that nobody but its owner has signed."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("needs openssl")
    paths = Certificate(tmp_path / "ca.pem", tmp_path / "key.pem")
    words = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=kubeflow"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-out", str(paths.path), "-keyout", str(paths.key)]
    subprocess.run(
        [openssl, *words.split(), *names, *files], check=True, capture_output=True
    )
    return paths


class Certificate(NamedTuple):
    path: pathlib.Path
    key: pathlib.Path


def test_a_certificate_that_is_not_known_is_not_called_silence(
    certificate: Certificate, capsys: pytest.CaptureFixture[str]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = Kubeflow(context)
    words = ["status", "run-1", "--host", server.url]
    try:
        assert command.main(words) == 1
        line = _error(capsys)
        assert "cannot be verified" in line
        assert "--ca-cert" in line
        assert "does not answer" not in line
        assert command.main([*words, "--ca-cert", str(certificate.key)]) == 1
        assert "--ca-cert" in _error(capsys)
        assert command.main([*words, "--ca-cert", str(certificate.path)]) == 0
    finally:
        server.close()


def test_the_traceback_is_shown_on_request(
    package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["upload", "--host", "http://127.0.0.1:9", "--verbose"]
    words += ["--package", package]
    assert command.main(words) == 1
    assert "Traceback" in capsys.readouterr().err


def test_status_shows_the_steps(
    server: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    server.states = ["FAILED"]
    assert command.main(["status", "run-1", "--host", server.url]) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "Run run-1: FAILED",
        "  TfdsExampleGen: SUCCEEDED",
        "  Trainer: FAILED (the loss is NaN)",
    ]


def test_status_of_a_step_without_its_image(
    server: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    server.states = ["RUNNING"]
    assert command.main(["status", "run-1", "--host", server.url]) == 0
    *_, step, hint = capsys.readouterr().out.splitlines()
    assert step == "  Trainer: PENDING"
    assert "image" in hint
    assert "kubectl get pods" in hint


def test_schedule(
    server: Kubeflow, package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["schedule", "--host", server.url, "--package", package]
    assert command.main([*words, "--cron", "0 30 2 * * 1"]) == 0
    shown = capsys.readouterr().out
    assert "Schedule schedule-1" in shown
    assert "answered from the cache" in shown
    body = server.body_of("POST", "/recurringruns")
    assert body["trigger"]["cron_schedule"]["cron"] == "0 30 2 * * 1"
    assert int(body["max_concurrency"]) == 1
    assert body["mode"] == "ENABLE"
    assert command.main([*words, "--no-cache"]) == 0
    shown = capsys.readouterr().out
    assert "answered from the cache" not in shown
    assert "only if the data has changed" in shown


@pytest.mark.parametrize(
    ("caching", "words"),
    [
        ({"enableCache": True}, "answered from the cache"),
        # Of a folder, or of a dataset without a version.
        ({"enableCache": False}, "only if the data has changed"),
        ({}, "only if the data has changed"),
    ],
)
def test_a_schedule_says_whether_new_data_are_noticed(
    server: Kubeflow,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    caching: dict[str, bool],
    words: str,
) -> None:
    tasks = {"TfdsExampleGen": {"cachingOptions": caching}}
    package = tmp_path / "pipeline.yaml"
    package.write_text(
        yaml.safe_dump({**SPEC, "root": {**SPEC["root"], "dag": {"tasks": tasks}}})
    )
    command.main(["schedule", "--host", server.url, "--package", str(package)])
    shown = " ".join(capsys.readouterr().out.split())
    assert words in shown
    assert shown.count("data has changed") == (0 if caching.get("enableCache") else 1)


def test_a_schedule_that_retrains_says_so(
    server: Kubeflow, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"train": {"start_from": "served", "batch_size": 8}}
    constant = {"runtimeValue": {"constant": json.dumps(settings)}}
    trainer = {"inputs": {"parameters": {"custom_config": constant}}}
    root = {**SPEC["root"], "dag": {"tasks": {"Trainer": trainer}}}
    package = tmp_path / "pipeline.yaml"
    package.write_text(yaml.safe_dump({**SPEC, "root": root}))
    words = ["schedule", "--host", server.url, "--package", str(package)]
    for flags in ([], ["--no-cache"]):
        assert command.main([*words, *flags]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert "training goes on from the generator that is served" in shown
        assert "answered from the cache" not in shown


def test_upload_makes_a_pipeline_and_then_a_version(
    server: Kubeflow, package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["upload", "--host", server.url, "--package", package]
    assert command.main(words) == 0
    assert "Pipeline pipeline-1: msg-gan" in capsys.readouterr().out
    server.pipelines = [{"pipeline_id": "pipeline-1", "display_name": "msg-gan"}]
    assert command.main([*words, "--version", "two"]) == 0
    assert "Pipeline pipeline-1: version two" in capsys.readouterr().out
    assert b"msg-gan" in server.body_of("POST", "/pipelines/upload_version")


@pytest.mark.parametrize("starts", ["submit", "schedule"])
def test_runs_are_in_the_users_namespace(
    starts: str, server: Kubeflow, package: str
) -> None:
    words = [starts, "--host", server.url, "--package", package]
    assert command.main([*words, "--namespace", "vision"]) == 0
    assert server.body_of("POST", "/experiments")["namespace"] == "vision"


def test_token_and_cookies_come_from_files(
    server: Kubeflow, tmp_path: pathlib.Path
) -> None:
    token, cookies = tmp_path / "token", tmp_path / "cookies"
    token.write_text("secret\n")
    cookies.write_text("authservice_session=abc\n")
    words = ["status", "run-1", "--host", server.url, "--token-file", str(token)]
    assert command.main([*words, "--cookies-file", str(cookies)]) == 0
    headers = {name.lower(): value for name, value in server.headers.items()}
    assert headers["authorization"] == "Bearer secret"
    assert headers["cookie"] == "authservice_session=abc"


def test_a_host_that_is_away(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    start = time.monotonic()
    assert command.main(["upload", "--host", url, "--package", package]) == 1
    # The SDK by itself asks for half a minute.
    assert time.monotonic() - start < 25
    line = _error(capsys)
    assert url in line
    assert "refused" in line


def test_a_refused_run_is_told_in_the_servers_words(
    server: Kubeflow, package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server.refusal = (400, "Invalid input error: the namespace is empty")
    assert command.main(["submit", "--host", server.url, "--package", package]) == 1
    assert "the namespace is empty" in _error(capsys)
    server.refusal = (403, "User 'x' is not authorized")
    assert command.main(["status", "run-1", "--host", server.url]) == 1
    assert "User 'x' is not authorized" in _error(capsys)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--param", "train_step=5"], ["train_step", "Did you mean train_steps?"]),
        (["--param", "train_steps=many"], ["train_steps=many", "NUMBER_INTEGER"]),
        (["--param", "train_steps"], ["name=value"]),
        (["--pipeline-root", "/mnt/artifacts"], ["/mnt/artifacts", "minio://"]),
        (["--package", "/nowhere/p.yaml"], ["/nowhere/p.yaml", "compile"]),
        (["--host", "localhost:8888"], ["localhost:8888", "http://"]),
        (["--token-file", "/nowhere/token"], ["token_file", "/nowhere/token"]),
        (["--ca-cert", "/nowhere/ca.pem"], ["ca_cert", "/nowhere/ca.pem"]),
        (["--token-file", sys.executable], ["token_file", "UTF-8"]),
        (["--cookies-file", sys.executable], ["cookies_file", "UTF-8"]),
        (["--package", sys.executable], ["package", "UTF-8", "compile"]),
    ],
)
def test_wrong_arguments_reach_no_server(
    server: Kubeflow,
    package: str,
    flags: list[str],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ["submit", "--host", server.url, "--package", package, *flags]
    assert status_of(command.main, line) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    for word in words:
        assert word in error
    assert not server.requests


def test_a_file_that_is_no_pipeline(
    server: Kubeflow, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.yaml"
    path.write_text("- a list\n")
    words = ["upload", "--host", server.url, "--package", str(path)]
    assert command.main(words) == 2
    assert "not a compiled pipeline" in _error(capsys)


def test_cron_with_five_fields_is_refused(
    server: Kubeflow, package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["schedule", "--host", server.url, "--package", package]
    assert status_of(command.main, [*words, "--cron", "0 3 * * *"]) == 2
    assert "six fields" in capsys.readouterr().err
