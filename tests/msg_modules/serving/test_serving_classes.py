"""`msg-gan serve` with a conditional generator."""

from __future__ import annotations

import concurrent.futures
import io
import pathlib
import shutil
import threading
import time
from collections.abc import Iterator

import numpy as np
import PIL.Image
import pytest
import requests
import tensorflow as tf
from server_process import Server

from msg_modules.generator import sampling
from msg_modules.pictures import sheets

pytest.importorskip("fastapi")

NAMES = ("image_7", "image_14", "image_28")
LATENTS = np.random.default_rng(0).normal(size=[5, 8]).astype(np.float32)
LABELS = [2, 0, 0, 1, 2]
ROW = [0.5] * 8


@pytest.fixture(scope="module")
def served(
    conditional_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("served") / "model"
    server = Server(pathlib.Path(shutil.copytree(conditional_dir, directory)))
    yield server
    server.stop()


def _call(
    generator: sampling.Generator, signature: str, **inputs: np.ndarray
) -> dict[str, np.ndarray]:
    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    answer = generator.model.signatures[signature](**tensors)
    return {name: value.numpy() for name, value in answer.items()}


def _assert_same(answer: dict[str, list], wanted: dict[str, np.ndarray]) -> None:
    assert set(answer) == set(NAMES)
    for name in NAMES:
        np.testing.assert_allclose(answer[name], wanted[name], atol=1e-5)


def _columns(predictions: list[dict[str, list]]) -> dict[str, list]:
    return {name: [image[name] for image in predictions] for name in NAMES}


def test_labels_choose_the_class(served: Server, conditional: sampling.Generator):
    rows = [
        {"latents": latents, "labels": label}
        for latents, label in zip(LATENTS.tolist(), LABELS, strict=True)
    ]
    by_row = served.predict(instances=rows)
    by_column = served.predict(inputs={"latents": LATENTS.tolist(), "labels": LABELS})

    wanted = _call(
        conditional, "serving_default", latents=LATENTS, labels=np.array(LABELS)
    )
    _assert_same(_columns(by_row.json()["predictions"]), wanted)
    _assert_same(by_column.json()["outputs"], wanted)


def test_classes_blend(served: Server, conditional: sampling.Generator):
    weights = np.random.default_rng(1).dirichlet([1, 1, 1], 5).astype(np.float32)
    rows = [
        {"class_weights": some, "latents": latents}
        for latents, some in zip(LATENTS.tolist(), weights.tolist(), strict=True)
    ]
    inputs = {"latents": LATENTS.tolist(), "class_weights": weights.tolist()}

    by_row = served.predict(signature_name="blend", instances=rows)
    by_column = served.predict(signature_name="blend", inputs=inputs)

    wanted = _call(conditional, "blend", latents=LATENTS, class_weights=weights)
    _assert_same(_columns(by_row.json()["predictions"]), wanted)
    _assert_same(by_column.json()["outputs"], wanted)


def test_a_seed_draws_the_images_of_sample_and_of_a_class(
    served: Server, conditional: sampling.Generator
):
    drawn = {"num_images": 6, "seed": 2**40}
    tensors = {"num_images": np.int32(6), "seed": np.int64(2**40)}

    sample = served.predict(signature_name="sample", inputs=drawn)
    boots = served.predict(signature_name="sample_class", inputs={**drawn, "label": 1})

    _assert_same(sample.json()["outputs"], _call(conditional, "sample", **tensors))
    wanted = _call(conditional, "sample_class", **tensors, label=np.int64(1))
    _assert_same(boots.json()["outputs"], wanted)


@pytest.mark.parametrize("label", ["Ankle+boot", "ankle%20boot", "1"])
def test_a_class_has_a_picture(
    served: Server, conditional: sampling.Generator, label: str
):
    path = f"/sample.png?seed=5&num_images=3&scale=14&label={label}"

    answer = requests.get(served.url + path, timeout=30)

    assert answer.status_code == 200, answer.text
    pixels = np.asarray(PIL.Image.open(io.BytesIO(answer.content))).astype(int)
    images = conditional.sample(3, 5, label=1)[1]
    wanted = np.asarray(sheets.pyramid_sheet([images], 3))
    np.testing.assert_allclose(pixels, wanted, atol=1)


def test_state_and_signatures_are_tensorflow_servings(served: Server):
    state = requests.get(served.model, timeout=30).json()
    metadata = requests.get(f"{served.model}/metadata", timeout=30).json()

    (status,) = state["model_version_status"]
    assert (status["version"], status["state"]) == ("8", "AVAILABLE")
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    labels = signatures["serving_default"]["inputs"]["labels"]
    assert labels["dtype"] == "DT_INT64"
    assert [d["size"] for d in labels["tensor_shape"]["dim"]] == ["-1"]
    labels = signatures["classes"]["inputs"]["labels"]
    assert labels["dtype"] == "DT_INT64"
    names = signatures["classes"]["outputs"]["names"]
    assert [d["size"] for d in names["tensor_shape"]["dim"]] == ["-1"]


@pytest.mark.parametrize("labels", [[], [2, 0, 0]])
def test_classes_have_names(
    served: Server, conditional: sampling.Generator, labels: list[int]
):
    by_name = served.predict(signature_name="classes", inputs={"labels": labels})
    unnamed = served.predict(signature_name="classes", inputs=labels)

    wanted = _call(conditional, "classes", labels=np.array(labels, np.int64))
    names = [name.decode() for name in wanted["names"]]
    outputs = {"names": names, "shares": wanted["shares"].tolist()}
    assert by_name.json() == unnamed.json() == {"outputs": outputs}


def test_a_row_is_a_class(served: Server):
    by_name = served.predict(
        signature_name="classes", instances=[{"labels": 1}, {"labels": 0}]
    )
    unnamed = served.predict(signature_name="classes", instances=[1, 0])

    boot, bag = {"names": "Ankle boot", "shares": 0.6}, {"names": "Bag", "shares": 0.1}
    assert by_name.json() == unnamed.json() == {"predictions": [boot, bag]}


def _class(**changes: object) -> dict[str, object]:
    inputs = {"num_images": 1, "seed": 0, "label": 0, **changes}
    return {"signature_name": "sample_class", "inputs": inputs}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"instances": [ROW]}, "'latents': ..., 'labels': ..."),
        ({"instances": [{"latents": ROW}]}, "'labels'"),
        ({"instances": [{"latents": ROW, "labels": 0, "more": 1}]}, "'labels'"),
        ({"instances": [{"latents": ROW, "labels": 0}, ROW]}, "each"),
        ({"instances": [{"latents": ROW, "labels": [0]}]}, "instances.labels.0"),
        ({"instances": [{"latents": ROW, "labels": 3}]}, "label is 3; it must be"),
        ({"instances": [{"latents": ROW, "labels": -1}]}, "between 0 and 2"),
        ({"instances": [{"latents": ROW, "labels": 10**30}]}, "between 0 and 2"),
        ({"instances": [{"latents": ROW, "labels": "Bag"}]}, "valid integer"),
        ({"instances": [{"latents": ROW, "labels": 1.0}]}, "valid integer"),
        ({"instances": [{"latents": ROW, "labels": True}]}, "valid integer"),
        ({"inputs": [ROW]}, "'latents': ..., 'labels': ..."),
        ({"inputs": {"latents": [ROW]}}, "inputs.labels: Field required"),
        ({"inputs": {"latents": [ROW], "labels": []}}, "The number of labels is 0"),
        ({"inputs": {"latents": [ROW], "labels": [0, 0]}}, "it must be 1"),
        ({"inputs": {"latents": [[1, 2]], "labels": [0]}}, "must be [N, 8]"),
        ({"inputs": {"latents": [ROW] * 41, "labels": [0] * 41}}, "is 41"),
        (_class(label=3), "label is 3; it must be between 0 and 2"),
        (_class(label=-1), "label is -1"),
        (_class(label="Bag"), "inputs.label"),
        (_class(label=None), "inputs.label"),
        (_class(num_images=41), "between 1 and 40"),
        (_class(seed=2**64), "64-bit"),
        ({"signature_name": "sample_class", "instances": [{}]}, "'label'"),
        ({"signature_name": "classes", "inputs": {}}, "inputs.labels: Field required"),
        ({"signature_name": "classes", "inputs": 1}, "inputs.labels: Input should be"),
        ({"signature_name": "classes", "inputs": [0, 3]}, "label is 3; it must be"),
        ({"signature_name": "classes", "inputs": [0] * 41}, "is 41"),
        ({"signature_name": "classes", "instances": []}, "instances is []"),
        ({"signature_name": "classes", "instances": [[0]]}, "instances.labels.0"),
        ({"signature_name": "classes", "instances": ["Bag"]}, "valid integer"),
        (
            {"signature_name": "blend", "inputs": {"latents": [ROW]}},
            "inputs.class_weights",
        ),
        (
            {
                "signature_name": "blend",
                "inputs": {"latents": [ROW], "class_weights": [[1, 0]]},
            },
            "must be [N, 11]",
        ),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    served: Server, body: dict[str, object], words: str
):
    answer = served.predict(**body)

    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]
    assert served.predict(**_class()).status_code == 200


@pytest.mark.parametrize("label", ["Hat", "3", "-1", ""])
def test_no_picture_of_a_class_that_is_not_there(served: Server, label: str):
    answer = requests.get(f"{served.url}/sample.png?label={label}", timeout=30)

    assert answer.status_code == 400
    assert "one of Bag, Ankle boot, T-shirt/top" in answer.json()["error"]


def test_an_unconditional_generator_takes_no_classes(server: Server):
    picture = requests.get(f"{server.url}/sample.png?label=Bag", timeout=30)
    by_row = server.predict(instances=[{"latents": ROW, "labels": 1}])
    of_class = server.predict(**_class())

    for answer in (picture, by_row, of_class):
        assert answer.status_code == 400, answer.text
    assert "unconditional" in picture.json()["error"]
    assert "signature_name is 'sample_class'" in of_class.json()["error"]
    # Unknown inputs by column are ignored, as TensorFlow Serving does.
    by_column = server.predict(inputs={"latents": [ROW], "labels": "x"})
    assert by_column.status_code == 200


def test_requests_of_many_classes_are_drawn_together(
    served: Server, conditional: sampling.Generator
):
    wanted = [conditional.sample(1, 9, label=k)[0] for k in range(3)]

    def ask(number: int) -> None:
        answer = served.predict(**_class(seed=9, label=number % 3))
        images = answer.json()["outputs"]["image_7"]
        np.testing.assert_allclose(images, wanted[number % 3], atol=1e-5)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(96)))


def test_warm_up_requests_are_answered(served: Server, conditional: sampling.Generator):
    from tensorflow_serving.apis import prediction_log_pb2

    path = served.directory / "8/assets.extra/tf_serving_warmup_requests"
    asked = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        signature = request.model_spec.signature_name
        inputs = {
            name: tf.make_ndarray(value) for name, value in request.inputs.items()
        }
        body = {name: value.tolist() for name, value in inputs.items()}
        answer = served.predict(signature_name=signature, inputs=body)
        _assert_same(answer.json()["outputs"], _call(conditional, signature, **inputs))
        asked.append(signature)
    assert "sample_class" in asked


@pytest.mark.slow
def test_a_conditional_version_replaces_an_unconditional_one_under_load(
    serving_dir: pathlib.Path, conditional_dir: pathlib.Path, tmp_path: pathlib.Path
):
    """Each request is answered by one version, the old one or the new one."""
    directory = tmp_path / "served"
    shutil.copytree(serving_dir / "7", directory / "7")
    before, after = (
        sampling.load_generator(model).sample(2, 5)[0]
        for model in (serving_dir, conditional_dir)
    )
    server = Server(directory)
    stopped = threading.Event()

    # What each of four clients was answered: the version its images are of, or
    # the status of a row without a class, which only version 7 accepts.
    answers: list[list[int]] = [[] for _ in range(4)]

    def ask_sample(found: list[int]) -> None:
        while not stopped.is_set():
            answer = server.predict(
                signature_name="sample", inputs={"num_images": 2, "seed": 5}
            )
            assert answer.status_code == 200, answer.text
            images = np.array(answer.json()["outputs"]["image_7"])
            (version,) = [
                number
                for number, wanted in ((7, before), (8, after))
                if np.allclose(images, wanted, atol=1e-5)
            ]
            found.append(version)

    def ask_latents(found: list[int]) -> None:
        while not stopped.is_set():
            found.append(server.predict(instances=[ROW]).status_code)

    def wait_until_each_was_answered(*wanted: int) -> None:
        until = time.monotonic() + 120
        while not all(set(found) & set(wanted) for found in answers):
            for client in clients:
                if client.done():
                    client.result()
                    pytest.fail("a client stopped asking")
            assert time.monotonic() < until, answers
            time.sleep(0.1)

    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            clients = [
                pool.submit(ask, found)
                for ask, found in zip(
                    [ask_sample, ask_latents] * 2, answers, strict=True
                )
            ]
            try:
                wait_until_each_was_answered(7, 200)
                shutil.copytree(conditional_dir / "8", directory / "8")
                wait_until_each_was_answered(8, 400)
                health = requests.get(f"{server.url}/healthz", timeout=30)
                assert health.json()["version"] == "8"
                assert server.predict(**_class()).status_code == 200
            finally:
                stopped.set()
        for client, found, (old, new) in zip(
            clients, answers, [(7, 8), (200, 400)] * 2, strict=True
        ):
            client.result()
            # First the old version only, then the new one only.
            switch = found.index(new)
            assert found == [old] * switch + [new] * (len(found) - switch)
            assert switch > 0
    finally:
        output = server.stop()
    assert "Switched from version 7 to 8" in output
    assert "Traceback" not in output
