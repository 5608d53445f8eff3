"""The signatures of a conditional generator: eagerly, and in a session as TensorFlow
Serving runs them."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from msg_modules.common.errors import ConfigError
from msg_modules.generator import sampling

NAMES = ("image_7", "image_14", "image_28")
LATENTS = np.random.default_rng(5).normal(size=[4, 8]).astype(np.float32)
LABELS = np.array([2, 0, 1, 1])
ONE_HOT = np.eye(3, dtype=np.float32)
Call = Callable[..., dict[str, np.ndarray]]


def _eager(version: pathlib.Path) -> Call:
    model = tf.saved_model.load(str(version))

    def call(signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = model.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}

    return call


def _in_session(version: pathlib.Path) -> Call:
    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph)
    with graph.as_default():
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(version))

    def call(signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        definition = meta.signature_def[signature]
        assert set(inputs) == set(definition.inputs)
        for name, value in inputs.items():
            assert np.dtype(value.dtype) == tf.dtypes.as_dtype(
                definition.inputs[name].dtype
            )
        feeds = {definition.inputs[name].name: value for name, value in inputs.items()}
        wanted = {name: info.name for name, info in definition.outputs.items()}
        return session.run(wanted, feeds)

    return call


@pytest.fixture(scope="module", params=[_eager, _in_session])
def call(request: pytest.FixtureRequest, conditional_dir: pathlib.Path) -> Call:
    return request.param(conditional_dir / "8")


def _assert_draws(
    answer: dict[str, np.ndarray],
    network: keras.Model,
    latents: np.ndarray,
    weights: np.ndarray,
) -> None:
    pyramid = network(np.concatenate([latents, weights], 1), training=False)
    assert set(answer) == set(NAMES)
    for name, images in zip(NAMES, pyramid, strict=True):
        np.testing.assert_allclose(answer[name], images, atol=1e-5)


def _latents(count: int, seed: int) -> np.ndarray:
    seeds = tf.constant([seed, 0], tf.int64)
    return tf.random.stateless_normal([count, 8], seed=seeds).numpy()


def _request(count: int, seed: int) -> dict[str, np.ndarray]:
    return {"num_images": np.array(count, np.int32), "seed": np.array(seed, np.int64)}


def test_labels_choose_the_class(call: Call, conditional_network: keras.Model):
    answer = call("serving_default", latents=LATENTS, labels=LABELS)

    _assert_draws(answer, conditional_network, LATENTS, ONE_HOT[LABELS])


def test_classes_blend_by_weight(call: Call, conditional_network: keras.Model):
    weights = np.random.default_rng(1).dirichlet([1, 1, 1], 4).astype(np.float32)

    answer = call("blend", latents=LATENTS, class_weights=weights)

    _assert_draws(answer, conditional_network, LATENTS, weights)


@pytest.mark.parametrize("label", [0, 2])
def test_a_class_is_sampled_with_the_latents_of_its_seed(
    call: Call, conditional_network: keras.Model, label: int
):
    answer = call("sample_class", **_request(5, 2**40), label=np.array(label))

    weights = ONE_HOT[np.full(5, label)]
    _assert_draws(answer, conditional_network, _latents(5, 2**40), weights)


def test_a_sample_draws_classes_in_their_shares(
    call: Call, conditional: sampling.Generator, conditional_network: keras.Model
):
    answer = call("sample", **_request(400, 3))

    # What class an image has is found by comparing it with that of each class.
    of_class = np.stack(
        [
            call("sample_class", **_request(400, 3), label=np.array(k))["image_28"]
            for k in range(3)
        ]
    )
    differences = np.abs(of_class - answer["image_28"]).max(axis=(2, 3, 4))
    labels = differences.argmin(axis=0)
    _assert_draws(answer, conditional_network, _latents(400, 3), ONE_HOT[labels])
    shares = np.bincount(labels, minlength=3) / 400
    np.testing.assert_allclose(shares, [0.1, 0.6, 0.3], atol=0.08)
    np.testing.assert_array_equal(
        conditional.draw_codes(400, 3)[:, 8:], ONE_HOT[labels]
    )


@pytest.mark.parametrize(
    ("labels", "names", "shares"),
    [
        ([], [b"Bag", b"Ankle boot", b"T-shirt/top"], [0.1, 0.6, 0.3]),
        ([2, 0, 0], [b"T-shirt/top", b"Bag", b"Bag"], [0.3, 0.1, 0.1]),
    ],
)
def test_the_model_names_its_classes(
    call: Call, labels: list[int], names: list[bytes], shares: list[float]
):
    answer = call("classes", labels=np.array(labels, np.int64))

    assert answer["names"].tolist() == names
    np.testing.assert_allclose(answer["shares"], shares)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_out_of_range_is_refused(call: Call, label: int):
    with pytest.raises(tf.errors.InvalidArgumentError):
        call("serving_default", latents=LATENTS[:1], labels=np.array([label]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        call("sample_class", **_request(1, 0), label=np.array(label))
    with pytest.raises(tf.errors.InvalidArgumentError):
        call("classes", labels=np.array([0, label]))


def test_warm_up_requests_can_be_run(call: Call, conditional_dir: pathlib.Path):
    path = conditional_dir / "8" / "assets.extra" / "tf_serving_warmup_requests"

    drawn = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        inputs = {
            name: tf.make_ndarray(value) for name, value in request.inputs.items()
        }
        name = request.model_spec.signature_name
        drawn.append((name, len(call(name, **inputs)["image_28"])))

    assert drawn == [
        ("serving_default", 1),
        ("serving_default", 8),
        ("sample", 1),
        ("sample_class", 1),
    ]


def test_a_generator_samples_a_class(conditional: sampling.Generator):
    assert conditional.classes.names == ("Bag", "Ankle boot", "T-shirt/top")
    for label in ("ankle boot", 1, "1"):
        whole = conditional.sample(300, 4, label=label)
        codes = conditional.draw_codes(300, 4, label=label)
        stream = list(conditional.stream(300, 4, label=label))
        assert np.all(codes[:, 8:] == ONE_HOT[1])
        for images, drawn, parts in zip(
            whole, conditional.generate(codes), zip(*stream, strict=True), strict=True
        ):
            np.testing.assert_allclose(images, drawn, atol=1e-5)
            np.testing.assert_allclose(images, np.concatenate(parts), atol=1e-5)
    # A class stays whole where latents are truncated.
    truncated = conditional.draw_codes(5, 4, truncation=0.5, label="Bag")
    np.testing.assert_allclose(truncated[:, :8], 0.5 * _latents(5, 4), rtol=1e-6)
    assert np.all(truncated[:, 8:] == ONE_HOT[0])


def test_a_walk_leads_from_class_to_class(conditional: sampling.Generator):
    start = conditional.draw_codes(1, 0, label=0)[0]
    end = conditional.draw_codes(1, 1, label=2)[0]

    way = conditional.interpolate_codes(start, end, 5)

    np.testing.assert_allclose(way[[0, -1]], [start, end], atol=1e-6)
    np.testing.assert_allclose(way[:, 8], [1, 0.75, 0.5, 0.25, 0], atol=1e-6)
    np.testing.assert_allclose(way[:, 8:].sum(1), 1, atol=1e-6)


def test_what_a_conditional_generator_cannot_take_is_refused(
    conditional: sampling.Generator, pushed: sampling.Generator
):
    with pytest.raises(ConfigError, match=r"latents with class weights.*\[N, 11\]"):
        conditional.generate(LATENTS)
    with pytest.raises(ConfigError, match=r"label is 'Hat'; .*Bag"):
        conditional.sample(1, label="Hat")
    for draw in (pushed.sample, pushed.draw_codes):
        with pytest.raises(ConfigError, match="unconditional"):
            draw(1, label="Bag")
    assert len(pushed.classes) == 0
    assert pushed.code_dim == pushed.latent_dim == 8


def test_a_model_that_lacks_a_conditional_signature_is_refused(
    conditional_network: keras.Model, tmp_path: pathlib.Path
):
    from msg_modules.data.class_spec import ClassSpec
    from msg_modules.generator import export

    classes = ClassSpec(("a", "b", "c"), (0.2, 0.3, 0.5))
    served: Any = export.ServedGenerator(conditional_network, 8, classes)
    del served.functions["blend"]
    tf.saved_model.save(served, str(tmp_path / "1"), signatures=served.functions)

    with pytest.raises(ConfigError, match=r"lacks the signature\(s\) blend"):
        sampling.load_generator(tmp_path)


def test_a_model_is_loaded_whose_signature_classes_takes_no_labels(
    conditional_network: keras.Model, tmp_path: pathlib.Path
):
    from msg_modules.data.class_spec import ClassSpec
    from msg_modules.generator import export

    classes = ClassSpec(("a", "b", "c"), (0.2, 0.3, 0.5))
    served: Any = export.ServedGenerator(conditional_network, 8, classes)
    names, shares = tf.constant(classes.names), tf.constant(classes.shares, tf.float64)
    served.functions["classes"] = tf.function(
        lambda: {"names": tf.identity(names), "shares": tf.identity(shares)}, []
    )
    tf.saved_model.save(served, str(tmp_path / "1"), signatures=served.functions)

    assert sampling.load_generator(tmp_path).classes == classes
