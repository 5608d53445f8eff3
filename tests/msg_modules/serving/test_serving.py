"""`msg-gan serve` in a process of its own, over HTTP."""

from __future__ import annotations

import concurrent.futures
import contextlib
import gzip
import io
import json
import pathlib
import re
import shutil
import socket
import time
from collections.abc import Callable

import keras
import numpy as np
import PIL.Image
import pytest
import requests
import tensorflow as tf
from server_process import Server
from specs import FASHION

from msg_modules import cli
from msg_modules.gan import networks
from msg_modules.generator import export, sampling

pytest.importorskip("fastapi")

NAMES = ("image_7", "image_14", "image_28")
LATENTS = np.random.default_rng(0).normal(size=[5, 8]).astype(np.float32)


def _assert_same(answer: dict[str, list], pyramid: tuple[np.ndarray, ...]) -> None:
    assert set(answer) == set(NAMES)
    for name, images in zip(NAMES, pyramid, strict=True):
        np.testing.assert_allclose(answer[name], images, atol=1e-5)


@pytest.mark.parametrize("instances", ["plain", "named"])
def test_rows_are_answered_in_rows(
    server: Server, pushed: sampling.Generator, instances: str
):
    rows = LATENTS.tolist()
    if instances == "named":
        rows = [{"latents": row} for row in rows]

    answer = server.predict(signature_name="serving_default", instances=rows)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    predictions = answer.json()["predictions"]
    assert len(predictions) == 5
    columns = {name: [image[name] for image in predictions] for name in NAMES}
    _assert_same(columns, pushed.generate(LATENTS))


@pytest.mark.parametrize("inputs", ["plain", "named"])
def test_columns_are_answered_in_columns(
    server: Server, pushed: sampling.Generator, inputs: str
):
    columns = LATENTS.tolist()

    answer = server.predict(
        inputs=columns if inputs == "plain" else {"latents": columns}
    )

    assert answer.status_code == 200
    _assert_same(answer.json()["outputs"], pushed.generate(LATENTS))


def test_a_seed_draws_the_images_of_the_signature_sample(
    server: Server, pushed: sampling.Generator
):
    answer = server.predict(
        signature_name="sample", inputs={"num_images": 3, "seed": 2**40}
    )

    _assert_same(answer.json()["outputs"], pushed.sample(3, 2**40))


@pytest.mark.parametrize("version", ["", "/versions/7"])
def test_state_and_signatures_are_tensorflow_servings(server: Server, version: str):
    state = requests.get(server.model + version, timeout=30).json()
    metadata = requests.get(f"{server.model}{version}/metadata", timeout=30).json()

    (status,) = state["model_version_status"]
    assert (status["version"], status["state"]) == ("7", "AVAILABLE")
    assert status["status"] == {"error_code": "OK", "error_message": ""}
    assert metadata["model_spec"]["name"] == "msg_gan"
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    latents = signatures["serving_default"]["inputs"]["latents"]
    assert latents["dtype"] == "DT_FLOAT"
    assert [d["size"] for d in latents["tensor_shape"]["dim"]] == ["-1", "8"]
    assert set(signatures["serving_default"]["outputs"]) == set(NAMES)
    assert signatures["sample"]["inputs"]["seed"]["tensor_shape"]["dim"] == []


@pytest.mark.slow
def test_signatures_are_told_of_a_version_whose_directory_is_gone(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path
):
    directory = tmp_path / "served"
    shutil.copytree(serving_dir / "7", directory / "7")
    server = Server(directory)
    try:
        shutil.rmtree(directory / "7")

        answer = requests.get(f"{server.model}/metadata", timeout=30)
    finally:
        server.stop()

    assert answer.status_code == 200, answer.text
    assert "serving_default" in answer.text


def _post(content: bytes, content_type: str | None = "application/json", **headers):
    if content_type is not None:
        headers["content-type"] = content_type
    return lambda server: requests.post(
        f"{server.model}:predict", data=content, headers=headers, timeout=30
    )


def _get(path: str) -> Callable:
    return lambda server: requests.get(server.url + path, timeout=30)


ROW = [0.5] * 8
ROWS = json.dumps({"instances": [ROW]}).encode()


@pytest.mark.parametrize(
    "call",
    [
        _post(ROWS, None),
        _post(ROWS, "application/x-www-form-urlencoded"),  # curl's
        _post(ROWS, "text/plain"),
        _post(gzip.compress(ROWS), **{"content-encoding": "gzip"}),
        _post(b'{"signature_name": "", ' + ROWS[1:]),
        _post(b'{"parameters": {"a": 1}, ' + ROWS[1:]),
        _post(json.dumps({"inputs": {"latents": [ROW], "more": 1}}).encode()),
        _post(
            b'{"signature_name": "sample",'
            b' "inputs": {"num_images": 1, "seed": 1, "more": [1]}}'
        ),
        _get("/v1/models/msg_gan?more=1"),
    ],
)
def test_what_tensorflow_serving_overlooks_is_overlooked(
    server: Server, call: Callable
):
    answer = call(server)

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/v1/models/msg_gan:predict"),
        ("GET", "/v1/models/msg_gan/labels/stable"),
        ("GET", "/v1/models/msg_gan/nothing"),
        ("HEAD", "/v1/models/msg_gan"),
        ("OPTIONS", "/v1/models/msg_gan"),
        ("POST", "/v1/models/msg_gan"),
        ("POST", "/v1/models/msg_gan:classify"),
        ("POST", "/v1/models/msg_gan:regress"),
        ("POST", "/v1/models/msg_gan/labels/stable:predict"),
        ("PUT", "/v1/models/msg_gan:predict"),
    ],
)
def test_paths_and_methods_that_are_not_there_are_malformed_as_in_tensorflow_serving(
    server: Server, method: str, path: str
):
    answer = requests.request(method, server.url + path, timeout=30)

    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/json"
    if method != "HEAD":
        assert answer.json() == {"error": f"Malformed request: {method} {path}"}


class _Fragile(keras.layers.Layer):
    """Lets latents pass that are below 100."""

    def call(self, latents: tf.Tensor) -> tf.Tensor:
        tf.debugging.assert_less(latents, 100.0)
        return latents


@pytest.mark.slow
def test_an_unexpected_exception_is_logged_and_counted(tmp_path: pathlib.Path):
    generator, _ = networks.build("compact", 8, FASHION)
    latents = keras.Input([8])
    fragile = keras.Model(latents, generator(_Fragile()(latents)))
    export.export(fragile, 8, str(tmp_path / "served/1"))
    server = Server(tmp_path / "served")
    try:
        answer = server.predict(instances=[[1000.0] * 8])
        assert server.predict(instances=[ROW]).status_code == 200
        figures = _figures(server)
    finally:
        output = server.stop()

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/json"
    assert "InvalidArgumentError" in answer.json()["error"]
    assert "log" in answer.json()["error"]
    assert figures['msg_gan_requests_total{handler="predict",status="500"}'] == 1
    assert not any('status="none"' in name for name in figures)
    assert "POST '/v1/models/msg_gan:predict' failed" in output
    assert output.count("Traceback") >= 1


def test_a_seed_has_a_picture(server: Server, pushed: sampling.Generator):
    answer = requests.get(
        f"{server.url}/sample.png?seed=5&num_images=3&scale=14&truncation=0.5",
        timeout=30,
    )

    assert answer.headers["content-type"] == "image/png"
    pixels = np.asarray(PIL.Image.open(io.BytesIO(answer.content))).astype(int)
    images = (pushed.sample(3, 5, 0.5)[1][..., 0].astype(float) + 1) * 127.5
    for place, image in enumerate(images):
        cell = pixels[4:60, 4 + 58 * place :][:, :56]
        shown = cell.reshape(14, 4, 14, 4).mean(axis=(1, 3))
        np.testing.assert_allclose(shown, image, atol=0.6)


def test_it_tells_how_it_is(server: Server):
    before = _figures(server)
    server.predict(instances=LATENTS.tolist())
    after = _figures(server)

    health = requests.get(f"{server.url}/healthz", timeout=30)
    assert health.json() == {"status": "ok", "version": "7"}
    ok = 'msg_gan_requests_total{handler="predict",status="200"}'
    assert after[ok] == before.get(ok, 0) + 1
    images = "msg_gan_batch_images_sum"
    assert after[images] == before[images] + 5
    assert after["msg_gan_model_version"] == 7
    paths = requests.get(f"{server.url}/openapi.json", timeout=30).json()["paths"]
    assert "/v1/models/{name}:predict" in paths
    assert requests.get(f"{server.url}/docs", timeout=30).status_code == 200


def _figures(server: Server) -> dict[str, float]:
    text = requests.get(f"{server.url}/metrics", timeout=30).text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (x.rsplit(" ", 1) for x in lines)}


@pytest.mark.parametrize(
    ("call", "status", "words"),
    [
        (_post(b"{"), 400, "JSON"),
        (_post(b""), 400, "body"),
        (_post(b"[" * 20_000), 400, ""),
        (_post(b"\xff\xfe"), 400, ""),
        (_post(b"{}", "text/plain"), 400, "either 'instances' or 'inputs'"),
        (_post(b"{}"), 400, "either 'instances' or 'inputs'"),
        (_post(b'{"instances": []}'), 400, "instances is []"),
        (_post(b'{"inputs": []}'), 400, "between 1 and 40"),
        (_post(b'{"signature_name": "classes", "inputs": []}'), 400, "signature_name"),
        (_post(b'{"instances": [[1, 2]]}'), 400, "must be [N, 8]"),
        (_post(b'{"instances": [[1], [1, 2]]}'), 400, "not an array of numbers"),
        (_post(b'{"instances": [["a"]]}'), 400, "valid number"),
        (_post(b'{"instances": [[true, 1, 1, 1, 1, 1, 1, 1]]}'), 400, "number"),
        (_post(b'{"instances": [[NaN, 1, 1, 1, 1, 1, 1, 1]]}'), 400, "NaN"),
        (_post(b'{"instances": [[1e300, 1, 1, 1, 1, 1, 1, 1]]}'), 400, "infinite"),
        (_post(b'{"inputs": [[1' + b"0" * 5000 + b"]]}"), 400, ""),
        (_post(json.dumps({"instances": [ROW] * 41}).encode()), 400, "is 41"),
        (_post(json.dumps({"input": [ROW]}).encode()), 400, "either"),
        (
            _post(json.dumps({"instances": [{"latents": ROW, "more": 1}]}).encode()),
            400,
            "instances",
        ),
        (_post(ROWS + b"}"), 400, "JSON"),
        (_post(ROWS, **{"content-encoding": "gzip"}), 400, "decompressed"),
        (_post(gzip.compress(ROWS)[:-9], **{"content-encoding": "gzip"}), 400, "ends"),
        (
            _post(gzip.compress(b" " * 50_001), **{"content-encoding": "gzip"}),
            413,
            "50000 bytes",
        ),
        (_post(b'{"signature_name": "x", "inputs": [[1]]}'), 400, "signature_name"),
        (_post(b'{"signature_name": "sample", "inputs": [[1]]}'), 400, "num_images"),
        (
            _post(b'{"signature_name":"sample","inputs":{"num_images":-1,"seed":0}}'),
            400,
            "num_images is -1",
        ),
        (
            _post(
                b'{"signature_name":"sample","inputs":{"num_images":1,"seed":1'
                + b"0" * 30
                + b"}}"
            ),
            400,
            "",
        ),
        (_post(b" " * 50_001), 413, "50000 bytes"),
        (_post(b" " * 750_000), 413, "50000 bytes"),
        (
            _post(b'{"signature_name":"sample","inputs":{"num_images":0,"seed":0}}'),
            400,
            "num_images is 0",
        ),
        (_post(b'{"instances": [[Infinity, 1, 1, 1, 1, 1, 1, 1]]}'), 400, "infinite"),
        (_get("/sample.png?num_images=0"), 400, "between 1 and 40"),
        (_get("/sample.png?num_images=41"), 400, "between 1 and 40"),
        (_get("/sample.png?truncation=nan"), 400, "truncation"),
        (_get(f"/sample.png?seed={2**63}"), 400, "seed"),
        (_get("/sample.png?scale=5"), 400, "scale"),
        (_get("/v1/models/other"), 404, "'other' is not served; use 'msg_gan'"),
        (_get("/v1/models/msg_gan/versions/8"), 404, "version 7"),
        (_get("/v1/models/..%2f..%2fetc%2fpasswd"), 400, "Malformed request"),
        (_get("/v1/models/%00"), 404, ""),
        (_get("/nothing"), 404, "Not Found"),
        (_get("/v1"), 404, "Not Found"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    server: Server, call: Callable, status: int, words: str
):
    answer = call(server)

    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]
    assert "Traceback" not in answer.text
    assert server.predict(instances=[ROW]).status_code == 200


def test_a_body_that_does_not_tell_its_length_is_limited_as_well(server: Server):
    answer = requests.post(
        f"{server.model}:predict",
        data=(b" " * 10_000 for _ in range(20)),
        headers={"content-type": "application/json"},
        timeout=30,
    )

    assert answer.status_code == 413


def _connect(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


@pytest.mark.slow
def test_a_slow_client_hinders_nobody_and_loses_its_connection(server: Server):
    with _connect(server) as slow:
        slow.sendall(
            b"POST /v1/models/msg_gan:predict HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        assert server.predict(instances=[ROW]).status_code == 200

        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.slow
def test_a_client_that_sends_byte_for_byte_does_not_get_more_time(server: Server):
    with _connect(server) as slow:
        slow.sendall(
            b"POST /v1/models/msg_gan:predict HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        )
        slow.settimeout(0.2)
        answer = b""
        for _ in range(100):
            slow.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                answer = slow.recv(1000)
                break

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert server.predict(instances=[ROW]).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("asked_before", [False, True])
def test_a_client_that_never_ends_its_headers_loses_its_connection(
    server: Server, asked_before: bool
):
    with _connect(server) as slow:
        if asked_before:
            slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert slow.recv(1000).startswith(b"HTTP/1.1 200 ")
        slow.settimeout(0.5)
        is_closed = False
        for byte in b"GET /healthz HTTP/1.1\r\nHost: " + b"x" * 60:
            with contextlib.suppress(TimeoutError):
                try:
                    slow.sendall(bytes([byte]))
                    is_closed = slow.recv(1000) == b""
                except ConnectionError:
                    is_closed = True
            if is_closed:
                break

    assert is_closed
    assert server.predict(instances=[ROW]).status_code == 200


def test_a_client_that_goes_is_forgotten(server: Server):
    for _ in range(5):
        with _connect(server) as gone:
            gone.sendall(
                b"POST /v1/models/msg_gan:predict HTTP/1.1\r\nHost: x\r\n"
                b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
            )

    assert server.predict(instances=[ROW]).status_code == 200


def test_many_at_once_are_drawn_together(server: Server, pushed: sampling.Generator):
    before = _figures(server)
    wanted = pushed.generate(LATENTS)[0]

    def ask(number: int) -> None:
        place = number % 5
        answer = server.predict(inputs=LATENTS[place : place + 1].tolist())
        images = answer.json()["outputs"]["image_7"]
        np.testing.assert_allclose(images, wanted[place : place + 1], atol=1e-5)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(160)))

    after = _figures(server)
    name = "msg_gan_batch_images"
    assert after[f"{name}_sum"] - before[f"{name}_sum"] == 160
    assert after[f"{name}_count"] - before[f"{name}_count"] < 120


@pytest.mark.slow
def test_versions_change_without_a_failed_request(
    serving_dir: pathlib.Path, tmp_path: pathlib.Path
):
    directory = tmp_path / "served"
    shutil.copytree(serving_dir / "7", directory / "7")
    # The next ones have longer latents: no request may meet the wrong version.
    for number in (1, 2):
        longer, _ = networks.build("compact", 8 + number, FASHION)
        export.export(longer, 8 + number, str(tmp_path / str(number)))
    server = Server(directory)
    try:
        with server.sampled():
            shutil.copytree(tmp_path / "1", directory / "8")
            server.wait_for("8")
            # Half of a version, and what is no version at all.
            (directory / "9").mkdir()
            (directory / "9" / "saved_model.pb").write_bytes(b"half")
            (directory / "note.txt").touch()
            until = time.monotonic() + 30
            failed = 'msg_gan_model_loads_total{result="failed"}'
            while not _figures(server).get(failed):
                assert time.monotonic() < until
            assert server.version == "8"
            shutil.rmtree(directory / "9")
            shutil.copytree(tmp_path / "2", directory / "10")
            server.wait_for("10")
            assert server.predict(instances=[[0.5] * 10]).status_code == 200
            assert server.predict(instances=[ROW]).status_code == 400
    finally:
        output = server.stop()
    assert "Switched from version 7 to 8" in output
    assert len(re.findall("Still serving version 8", output)) == 1
    assert "Switched from version 8 to 10" in output
    assert "Traceback" not in output


def test_beyond_the_limit_of_concurrency_a_client_is_told_to_come_again(
    server: Server,
):
    waiting = [_connect(server) for _ in range(20)]
    for slow in waiting:
        slow.sendall(
            b"POST /v1/models/msg_gan:predict HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
    time.sleep(0.5)

    answer = server.predict(instances=[ROW])

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert requests.get(f"{server.url}/healthz", timeout=30).status_code == 200
    for slow in waiting:
        slow.close()
    time.sleep(0.5)
    assert server.predict(instances=[ROW]).status_code == 200


def test_a_port_that_is_taken_is_told(
    serving_dir: pathlib.Path, capsys: pytest.CaptureFixture
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        status = cli.main(["serve", "--model", str(serving_dir), "--port", str(port)])

    assert status == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "70000"], "port is 70000"),
        (["--name", "../x"], "name is '../x'"),
        ([], "There is no SavedModel"),
    ],
)
def test_wrong_arguments_are_named(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
    arguments: list[str],
    words: str,
):
    assert cli.main(["serve", "--model", str(tmp_path), *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("name", ["max-images", "timeout-seconds", "poll-seconds"])
def test_a_limit_of_nothing_is_refused(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture, name: str
):
    with pytest.raises(SystemExit) as caught:
        cli.main(["serve", "--model", str(tmp_path), f"--limits.{name}", "0"])

    assert caught.value.code == 2
    assert f"limits.{name.replace('-', '_')} is 0" in capsys.readouterr().err


def test_warm_up_requests_get_the_same_answers(
    server: Server, pushed: sampling.Generator
):
    """What TensorFlow Serving is sent, this server can be sent as well."""
    from tensorflow_serving.apis import prediction_log_pb2

    path = server.directory / "7/assets.extra/tf_serving_warmup_requests"
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(
            record
        ).predict_log.request
        signature = request.model_spec.signature_name
        inputs = {
            name: tf.make_ndarray(value) for name, value in request.inputs.items()
        }
        answer = server.predict(
            signature_name=signature,
            inputs={name: value.tolist() for name, value in inputs.items()},
        )
        images = pushed.model.signatures[signature](
            **{name: tf.constant(value) for name, value in inputs.items()}
        )
        wanted = tuple(images[name].numpy() for name in NAMES)
        _assert_same(answer.json()["outputs"], wanted)
