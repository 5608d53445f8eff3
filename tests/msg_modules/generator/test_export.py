from __future__ import annotations

import pathlib
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.tools import saved_model_cli
from tensorflow_serving.apis import prediction_log_pb2

from msg_modules.common.errors import RunError
from msg_modules.generator import export

NAMES = ("image_7", "image_14", "image_28")

# What somebody does who has TensorFlow and the pushed directory, nothing else.
_CLIENT = """
import importlib.machinery
import sys

REFUSED = {"components", "msg_modules", "pipeline", "tfx", "keras", "tf_keras"}


class Refuse:
    # TensorFlow looks for Keras while it is imported, without importing it: the
    # refusal comes when a module is made.
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in REFUSED:
            return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec):
        raise ModuleNotFoundError(f"{spec.name} is refused", name=spec.name)

    def exec_module(self, module):
        raise AssertionError("never reached")


sys.meta_path.insert(0, Refuse())

import numpy as np
import tensorflow as tf

model_path, latents_path, output_path = sys.argv[1:]
signatures = tf.saved_model.load(model_path).signatures
assert set(signatures) == {"serving_default", "sample"}
latents_spec = signatures["serving_default"].structured_input_signature[1]
assert {k: (v.shape.as_list(), v.dtype) for k, v in latents_spec.items()} == {
    "latents": ([None, 8], tf.float32)
}
sample_spec = signatures["sample"].structured_input_signature[1]
assert {k: (v.shape.as_list(), v.dtype) for k, v in sample_spec.items()} == {
    "num_images": ([], tf.int32),
    "seed": ([], tf.int64),
}
latents = np.load(latents_path)


def sample(num_images, seed):
    return signatures["sample"](
        num_images=tf.constant(num_images), seed=tf.constant(seed, tf.int64)
    )


answers = {
    "five": signatures["serving_default"](latents=tf.constant(latents)),
    "one": signatures["serving_default"](latents=tf.constant(latents[:1])),
    "sample": sample(5, 3),
    "again": sample(5, 3),
    "other": sample(5, 4),
    "far": sample(1, 2**40),
    "negative": sample(1, -1),
}
np.savez(
    output_path,
    **{
        f"{answer}/{name}": value.numpy()
        for answer, outputs in answers.items()
        for name, value in outputs.items()
    },
)
assert not REFUSED & set(sys.modules), REFUSED & set(sys.modules)
"""


@pytest.fixture(scope="module")
def latents() -> np.ndarray:
    return np.random.default_rng(5).normal(size=[5, 8]).astype(np.float32)


@pytest.fixture(scope="module")
def answers(
    serving_dir: pathlib.Path,
    latents: np.ndarray,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, np.ndarray]:
    """What both signatures answer in a process without this project."""
    directory = tmp_path_factory.mktemp("client")
    np.save(directory / "latents.npy", latents)
    (directory / "client.py").write_text(_CLIENT)
    subprocess.run(
        [
            sys.executable,
            "client.py",
            str(serving_dir / "7"),
            "latents.npy",
            "answers.npz",
        ],
        cwd=directory,
        check=True,
    )
    return dict(np.load(directory / "answers.npz"))


@pytest.mark.slow
def test_the_pushed_model_answers_where_this_project_is_not_installed(
    answers: dict[str, np.ndarray],
):
    calls = {"five": 5, "one": 1, "sample": 5, "other": 5, "far": 1, "negative": 1}
    for call, num_images in calls.items():
        names = {key.split("/")[1] for key in answers if key.startswith(f"{call}/")}
        assert names == set(NAMES)
        for name, size in zip(NAMES, (7, 14, 28), strict=True):
            images = answers[f"{call}/{name}"]
            assert images.shape == (num_images, size, size, 1)
            assert images.dtype == np.float32
            assert np.max(np.abs(images)) <= 1


def test_served_images_are_those_of_the_averaged_generator(
    answers: dict[str, np.ndarray], latents: np.ndarray, trained: Any
):
    wanted = trained.gan.ema_generator(latents, training=False)
    unaveraged = trained.gan.generator(latents, training=False)

    for name, images, others in zip(NAMES, wanted, unaveraged, strict=True):
        np.testing.assert_allclose(answers[f"five/{name}"], images, atol=1e-5)
        np.testing.assert_allclose(answers[f"one/{name}"], images[:1], atol=1e-5)
        assert np.max(np.abs(images - others)) > 1e-4


def test_sampled_images_are_those_of_standard_normal_latents(
    answers: dict[str, np.ndarray], trained: Any
):
    drawn = tf.random.stateless_normal([5, 8], seed=tf.constant([3, 0], tf.int64))

    pyramid = trained.gan.ema_generator(drawn, training=False)
    for name, images in zip(NAMES, pyramid, strict=True):
        np.testing.assert_allclose(answers[f"sample/{name}"], images, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_the_sample(answers: dict[str, np.ndarray], name: str):
    np.testing.assert_array_equal(answers[f"sample/{name}"], answers[f"again/{name}"])
    assert np.max(np.abs(answers[f"sample/{name}"] - answers[f"other/{name}"])) > 1e-3
    firsts = [answers[f"{call}/{name}"][0] for call in ("other", "far", "negative")]
    assert np.max(np.abs(firsts[0] - firsts[1])) > 1e-3
    assert np.max(np.abs(firsts[1] - firsts[2])) > 1e-3
    # The images of one sample differ as well.
    assert np.max(np.abs(np.diff(answers[f"sample/{name}"], axis=0))) > 1e-3


def test_warm_up_requests_can_be_run(serving_dir: pathlib.Path):
    path = serving_dir / "7" / "assets.extra" / "tf_serving_warmup_requests"
    signatures = tf.saved_model.load(str(serving_dir / "7")).signatures

    drawn = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        inputs = {
            name: tf.constant(tf.make_ndarray(value))
            for name, value in request.inputs.items()
        }
        name = request.model_spec.signature_name
        images = signatures[name](**inputs)["image_28"]
        assert images.shape[1:] == [28, 28, 1]
        drawn.append((name, len(images)))
    assert drawn == [("serving_default", 1), ("serving_default", 8), ("sample", 1)]


def _saved_model_cli(*arguments: object) -> None:
    """What the command does, without the seconds that its process takes to begin."""
    parser = saved_model_cli.create_parser()
    parser.parse_args([str(argument) for argument in arguments]).func()


def test_tensorflows_own_command_shows_the_signatures(
    serving_dir: pathlib.Path, capsys: pytest.CaptureFixture
):
    _saved_model_cli("show", "--dir", serving_dir / "7", "--all")

    text = " ".join(capsys.readouterr().out.split())
    latents = "inputs['latents'] tensor_info: dtype: DT_FLOAT shape: (-1, 8)"
    assert latents in text
    for size in (7, 14, 28):
        image = f"outputs['image_{size}'] tensor_info: dtype: DT_FLOAT shape: "
        assert text.count(f"{image}(-1, {size}, {size}, 1)") == 2
    assert "inputs['num_images'] tensor_info: dtype: DT_INT32 shape: ()" in text
    assert "inputs['seed'] tensor_info: dtype: DT_INT64 shape: ()" in text
    assert text.count("Method name is: tensorflow/serving/predict") == 2


def test_a_session_draws_the_same_images(
    serving_dir: pathlib.Path, latents: np.ndarray, trained: Any, tmp_path: pathlib.Path
):
    """TensorFlow Serving runs the graph in a session, and so does this command."""
    np.save(tmp_path / "latents.npy", latents)

    _saved_model_cli(
        *("run", "--dir", serving_dir / "7", "--tag_set", "serve"),
        *("--signature_def", "serving_default", "--outdir", tmp_path),
        *("--inputs", f"latents={tmp_path / 'latents.npy'}"),
    )

    pyramid = trained.gan.ema_generator(latents, training=False)
    for name, images in zip(NAMES, pyramid, strict=True):
        drawn = np.load(tmp_path / f"{name}.npy")
        np.testing.assert_allclose(drawn, images, atol=1e-5)


def _broken(generator: keras.Model, value: float) -> keras.Model:
    broken = keras.models.clone_model(generator)
    weights = generator.get_weights()
    weights[-1] = np.full_like(weights[-1], value)
    broken.set_weights(weights)
    return broken


def test_a_generator_that_draws_nan_is_not_exported(
    trained: Any, tmp_path: pathlib.Path
):
    with pytest.raises(RunError, match=r"image_\d+ contains NaN or infinite") as caught:
        export.export(
            _broken(trained.gan.ema_generator, np.nan), 8, str(tmp_path / "model")
        )

    assert "lower learning rates" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_generator_beyond_the_range_is_not_exported(tmp_path: pathlib.Path):
    latents = keras.Input([4])
    images = [
        keras.layers.Reshape([size, size, 1])(keras.layers.Dense(size * size)(latents))
        for size in (7, 14, 28)
    ]

    with pytest.raises(RunError, match=r"image_\d+ has values up to .*\[-1, 1\].*tanh"):
        export.export(keras.Model(latents, images), 4, str(tmp_path / "model"))

    assert list(tmp_path.iterdir()) == []


def test_an_existing_model_is_replaced_whole_or_not_at_all(
    trained: Any, tmp_path: pathlib.Path
):
    target = tmp_path / "model"
    (target / "assets").mkdir(parents=True)
    (target / "assets" / "old.txt").write_text("old")
    # What a process left that was killed while it wrote.
    (tmp_path / ".model.part" / "variables").mkdir(parents=True)

    with pytest.raises(RunError):
        export.export(_broken(trained.gan.ema_generator, np.nan), 8, str(target))
    assert [path.name for path in target.rglob("*.txt")] == ["old.txt"]

    export.export(trained.gan.ema_generator, 8, str(target))
    assert list(target.rglob("old.txt")) == []
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert set(tf.saved_model.load(str(target)).signatures) == {
        "serving_default",
        "sample",
    }
