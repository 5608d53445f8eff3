"""Exports the generator as a SavedModel that does not depend on this project."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from msg_modules.common import files
from msg_modules.common.errors import RunError
from msg_modules.data.class_spec import ClassSpec
from msg_modules.data.image_spec import image_key
from msg_modules.generator import codes, origin

Images = dict[str, tf.Tensor]
Generate = Callable[[tf.Tensor], Images]

_UNCONDITIONAL = ClassSpec()
_NUM_IMAGES = tf.TensorSpec([], tf.int32, "num_images")
_SEED = tf.TensorSpec([], tf.int64, "seed")
_CHECKED_SAMPLES = 64
_WARMUP_BATCHES = (1, 8)


class ServedGenerator(tf.Module):
    """What is saved: the weights, and the functions of the signatures.

    Attributes:
      functions: Name of a signature -> function.
    """

    def __init__(self, generator: keras.Model, latent_dim: int, classes: ClassSpec):
        """Wraps a generator in inference mode.

        Args:
          generator: Codes -> pyramid, smallest first.
          latent_dim: Length of the latent vector.
          classes: The classes that the generator is conditioned on.
        """
        super().__init__()
        # Saves the TensorFlow variables rather than the network. For a Keras variable,
        # `tf.saved_model.save` restores a copy that no signature reads:
        # `tf.saved_model.load` copes, but a session, as in TensorFlow Serving, fails
        # with "Could not find variable".
        self.weights = [variable.value for variable in generator.variables]

        def generate(codes: tf.Tensor) -> Images:
            pyramid = generator(codes, training=False)
            return {image_key(scale.shape[1]): scale for scale in pyramid}

        self.functions = (
            _conditional(generate, latent_dim, classes)
            if len(classes)
            else _unconditional(generate, latent_dim)
        )


def _unconditional(
    generate: Generate, latent_dim: int
) -> dict[str, tf.types.experimental.PolymorphicFunction]:
    def sample(num_images: tf.Tensor, seed: tf.Tensor) -> Images:
        return generate(_draw_latents(num_images, latent_dim, seed))

    latents = tf.TensorSpec([None, latent_dim], tf.float32, "latents")
    return {
        "serving_default": _function(generate, [latents]),
        "sample": _function(sample, [_NUM_IMAGES, _SEED]),
    }


def _conditional(
    generate: Generate, latent_dim: int, classes: ClassSpec
) -> dict[str, tf.types.experimental.PolymorphicFunction]:
    def blend(latents: tf.Tensor, class_weights: tf.Tensor) -> Images:
        return generate(tf.concat([latents, class_weights], 1))

    def of_classes(latents: tf.Tensor, labels: tf.Tensor) -> Images:
        # Unlike `tf.one_hot`, this refuses labels out of range, but on a CPU only.
        with tf.device("CPU"):
            weights = tf.gather(tf.eye(len(classes)), labels)
        return blend(latents, weights)

    def sample(num_images: tf.Tensor, seed: tf.Tensor) -> Images:
        labels = codes.random_labels(
            num_images, classes.shares, codes.labels_seed(seed)
        )
        return of_classes(_draw_latents(num_images, latent_dim, seed), labels)

    def sample_class(
        num_images: tf.Tensor, seed: tf.Tensor, label: tf.Tensor
    ) -> Images:
        latents = _draw_latents(num_images, latent_dim, seed)
        return of_classes(latents, tf.fill([num_images], label))

    no_labels = tf.zeros([0], tf.int64)

    # TensorFlow Serving's REST API refuses signatures without inputs. Over gRPC it uses
    # the default.
    def describe(labels: tf.Tensor = no_labels) -> dict[str, tf.Tensor]:
        numbers = tf.range(len(classes), dtype=tf.int64)
        with tf.device("CPU"):
            asked = tf.cond(tf.size(labels) > 0, lambda: labels, lambda: numbers)
            return {
                "names": tf.gather(tf.constant(classes.names), asked),
                "shares": tf.gather(tf.constant(classes.shares, tf.float64), asked),
            }

    latents = tf.TensorSpec([None, latent_dim], tf.float32, "latents")
    labels = tf.TensorSpec([None], tf.int64, "labels")
    label = tf.TensorSpec([], tf.int64, "label")
    weights = tf.TensorSpec([None, len(classes)], tf.float32, "class_weights")
    return {
        "serving_default": _function(of_classes, [latents, labels]),
        "sample": _function(sample, [_NUM_IMAGES, _SEED]),
        "sample_class": _function(sample_class, [_NUM_IMAGES, _SEED, label]),
        "blend": _function(blend, [latents, weights]),
        "classes": _function(describe, [labels]),
    }


def _function(
    function: Callable[..., Images], signature: list[tf.TensorSpec]
) -> tf.types.experimental.PolymorphicFunction:
    # No Python control flow in the signatures depends on a tensor, and AutoGraph would
    # take seconds.
    return tf.function(function, signature, autograph=False)


def _draw_latents(num_images: tf.Tensor, latent_dim: int, seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_normal(
        [num_images, latent_dim], seed=tf.stack([seed, 0])
    )


def export(
    generator: keras.Model,
    latent_dim: int,
    directory: str,
    classes: ClassSpec = _UNCONDITIONAL,
    training: tuple[str, int] | None = None,
) -> None:
    """Writes the SavedModel, with warm-up requests for TensorFlow Serving.

    Args:
      generator: Codes -> pyramid, smallest first.
      latent_dim: Length of the latent vector.
      directory: Where to write the SavedModel, through a temporary directory.
      classes: The classes that the generator is conditioned on.
      training: Name and number of steps of the training, to be recorded.

    Raises:
      RunError: If pixels of the generator's images are not finite or not in [-1, 1].
    """
    served = ServedGenerator(generator, latent_dim, classes)
    _check(served)
    with files.directory_beside(pathlib.Path(directory)) as part:
        tf.saved_model.save(served, str(part), signatures=served.functions)
        _write_warmup_requests(part, latent_dim, len(classes) > 0)
        if training is not None:
            made = origin.Origin(*training, content=_hash(served, classes))
            origin.write(made, part)


def _hash(served: ServedGenerator, classes: ClassSpec) -> str:
    """Hashes all that makes two exports of a training different.

    The files of two exports always differ: TensorFlow numbers functions in the order in
    which a process makes them.
    """
    digest = hashlib.sha256(f"{tf.__version__} {classes}".encode())
    for module in (__file__, codes.__file__):
        digest.update(pathlib.Path(module).read_bytes())
    for weights in served.weights:
        digest.update(weights.numpy().tobytes())
    return digest.hexdigest()[:16]


def _check(served: ServedGenerator) -> None:
    sample = served.functions["sample"]
    images = sample(tf.constant(_CHECKED_SAMPLES), tf.constant(0, tf.int64))
    for name, values in images.items():
        if not np.all(np.isfinite(values)):
            raise RunError(
                f"The generator was not exported because its {name} contains NaN or"
                " infinite values; train again with lower learning rates."
            )
        if np.max(np.abs(values)) > 1.0:
            raise RunError(
                f"The generator's {name} has values up to"
                f" {np.max(np.abs(values)):.3g}; they must be in [-1, 1]: end the"
                " network in tanh."
            )


def _write_warmup_requests(
    directory: pathlib.Path, latent_dim: int, conditional: bool
) -> None:
    """Writes requests that TensorFlow Serving replays when it loads the model."""
    requests: list[tuple[str, dict[str, np.ndarray]]] = []
    for batch in _WARMUP_BATCHES:
        inputs: dict[str, np.ndarray] = {
            "latents": np.zeros([batch, latent_dim], np.float32)
        }
        if conditional:
            inputs["labels"] = np.zeros([batch], np.int64)
        requests.append(("serving_default", inputs))
    drawn: dict[str, np.ndarray] = {
        "num_images": np.array(1, np.int32),
        "seed": np.array(0, np.int64),
    }
    requests.append(("sample", drawn))
    if conditional:
        requests.append(("sample_class", {**drawn, "label": np.array(0, np.int64)}))
    path = directory / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(signature_name=signature),
                inputs={
                    name: tf.make_tensor_proto(value) for name, value in inputs.items()
                },
            )
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
