"""The examples of clients: REST against `msg-gan serve`, gRPC against the service that
TensorFlow Serving has."""

from __future__ import annotations

import http.server
import importlib.util
import json
import pathlib
import runpy
import socket
import sys
import threading
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import prediction_service
import pytest
from server_process import Server

from msg_modules.generator import sampling

pytestmark = pytest.mark.slow

NAMES = ("image_7", "image_14", "image_28")
LATENTS = np.random.default_rng(3).normal(size=[4, 8]).astype(np.float32)
SHADES = " .:-=+*#%@"


def _load(name: str, repository: str) -> ModuleType:
    path = pathlib.Path(repository) / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def grpc_server(serving_dir: pathlib.Path) -> Iterator[str]:
    with prediction_service.serving(serving_dir / "7") as address:
        yield address


@pytest.fixture(scope="module")
def conditional_addresses(conditional_dir: pathlib.Path) -> Iterator[dict[str, str]]:
    """Where each client finds a conditional model."""
    server = Server(conditional_dir)
    with prediction_service.serving(conditional_dir / "8") as address:
        yield {"rest_client": server.url, "grpc_client": address}
    server.stop()


@pytest.fixture(params=["rest_client", "grpc_client"])
def client(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def address(client: str, request: pytest.FixtureRequest) -> str:
    if client == "grpc_client":
        return request.getfixturevalue("grpc_server")
    return request.getfixturevalue("server").url


def _assert_same(answer: dict, pyramid: tuple[np.ndarray, ...]) -> None:
    assert set(answer) == set(NAMES)
    for name, images in zip(NAMES, pyramid, strict=True):
        np.testing.assert_allclose(answer[name], images, atol=1e-5)


def test_rest_gets_the_images_of_the_model(
    server: Server, pushed: sampling.Generator, repository: str
):
    rest = _load("rest_client", repository)

    _assert_same(rest.sample(server.url, "msg_gan", 3, 2**40), pushed.sample(3, 2**40))
    _assert_same(
        rest.generate(server.url, "msg_gan", LATENTS.tolist()),
        pushed.generate(LATENTS),
    )


def test_grpc_gets_the_images_of_the_model(
    grpc_server: str, pushed: sampling.Generator, repository: str
):
    client = _load("grpc_client", repository).Client(grpc_server)

    # 6 MB; gRPC itself takes 4.
    _assert_same(client.sample(1500, 2**40), pushed.sample(1500, 2**40))
    _assert_same(client.generate(LATENTS), pushed.generate(LATENTS))
    client.close()


def test_both_get_the_classes_that_they_ask_for(
    conditional_addresses: dict[str, str],
    conditional: sampling.Generator,
    repository: str,
):
    codes = np.concatenate([LATENTS, np.eye(3, dtype=np.float32)[[2, 0, 1, 1]]], 1)
    url = conditional_addresses["rest_client"]
    rest = _load("rest_client", repository)
    client = _load("grpc_client", repository).Client(
        conditional_addresses["grpc_client"]
    )

    of_seed = (
        rest.sample(url, "msg_gan", 3, 7, label=2),
        client.sample(3, 7, label=2),
    )
    of_latents = (
        rest.generate(url, "msg_gan", LATENTS.tolist(), [2, 0, 1, 1]),
        client.generate(LATENTS, [2, 0, 1, 1]),
    )

    for answer in of_seed:
        _assert_same(answer, conditional.sample(3, 7, label=2))
    for answer in of_latents:
        _assert_same(answer, conditional.generate(codes))
    names = ["Bag", "Ankle boot", "T-shirt/top"]
    assert rest.predict(url, "msg_gan", "classes", {"labels": []})["names"] == names
    encoded = [name.encode() for name in names]
    assert client.predict("classes")["names"].tolist() == encoded
    some = client.predict("classes", labels=np.array([2, 1]))
    assert some["names"].tolist() == [encoded[2], encoded[1]]
    client.close()


def _command(
    client: str,
    repository: str,
    monkeypatch: pytest.MonkeyPatch,
    *arguments: str,
) -> int:
    path = pathlib.Path(repository) / "examples" / f"{client}.py"
    monkeypatch.setattr(sys, "argv", [path.name, *arguments])
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as e:
        return int(e.code or 0)
    return 0


@pytest.mark.parametrize("by", ["seed", "latents"])
def test_a_client_prints_an_image(
    client: str,
    address: str,
    by: str,
    pushed: sampling.Generator,
    repository: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    if by == "seed":
        arguments, pyramid = ["--seed", "5"], pushed.sample(1, 5)
    else:
        arguments = ["--latents", json.dumps(LATENTS[0].tolist())]
        pyramid = pushed.generate(LATENTS[:1])

    assert _command(client, repository, monkeypatch, address, *arguments) == 0

    rows = capsys.readouterr().out.splitlines()
    assert [len(row) for row in rows] == [28] * 28
    printed = np.array([[SHADES.index(shade) for shade in row] for row in rows])
    wanted = (pyramid[2][0, ..., 0] + 1) / 2 * 9
    np.testing.assert_allclose(printed, wanted, atol=0.501)


def test_a_client_prints_an_image_of_a_class(
    client: str,
    conditional_addresses: dict[str, str],
    conditional: sampling.Generator,
    repository: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    address = conditional_addresses[client]
    zeros = json.dumps([0.0] * 8)
    code = np.array([[0.0] * 8 + [0, 1, 0]], np.float32)
    for arguments, pyramid in (
        (["--seed", "5"], conditional.sample(1, 5, label=1)),
        (["--latents", zeros], conditional.generate(code)),
    ):
        arguments += ["--label", "1"]

        assert _command(client, repository, monkeypatch, address, *arguments) == 0

        rows = capsys.readouterr().out.splitlines()
        printed = np.array([[SHADES.index(shade) for shade in row] for row in rows])
        wanted = (pyramid[2][0, ..., 0] + 1) / 2 * 9
        np.testing.assert_allclose(printed, wanted, atol=0.501)
    wrong = ["--label", "3"]
    assert _command(client, repository, monkeypatch, address, *wrong) == 1
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "other"], "other"),
        (["--model", "../../x"], "answers"),
        (["--latents", "[1, 2, 3]"], "3"),
        (["--latents", "[NaN, 1, 1, 1, 1, 1, 1, 1]"], "values"),
        (["--seed", str(2**63)], ""),
    ],
)
def test_a_client_says_why_the_server_refuses(
    client: str,
    address: str,
    arguments: list[str],
    words: str,
    repository: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    assert _command(client, repository, monkeypatch, address, *arguments) == 1

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert words in captured.err
    assert "Traceback" not in captured.err


def test_a_client_says_that_nobody_listens(
    client: str,
    repository: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    scheme = "http://" if client == "rest_client" else ""

    assert _command(client, repository, monkeypatch, scheme + address) == 1

    assert f"error: {scheme}{address} cannot be reached" in capsys.readouterr().err


def test_a_rest_client_is_told_of_a_server_of_something_else(
    repository: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    class Other(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{other.server_port}"
        status = _command("rest_client", repository, monkeypatch, url)
        thread.join()

    assert status == 1
    assert "does not answer as TensorFlow Serving's REST" in capsys.readouterr().err


def test_help_answers(
    client: str,
    repository: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    assert _command(client, repository, monkeypatch, "--help") == 0
    assert "--latents" in capsys.readouterr().out
