"""Exports the generator as a SavedModel that does not depend on this project."""

from __future__ import annotations

import pathlib

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from msg_modules.common import files
from msg_modules.common.errors import RunError
from msg_modules.data.image_spec import image_key

_CHECKED_SAMPLES = 64
_WARMUP_BATCHES = (1, 8)


class ServedGenerator(tf.Module):
    """The two signatures of the pushed model."""

    def __init__(self, generator: keras.Model, latent_dim: int):
        """Wraps a generator in inference mode.

        Args:
          generator: Latents -> pyramid, smallest first.
          latent_dim: Length of the latent vector.
        """
        super().__init__()
        # Saves the TensorFlow variables rather than the network. For a Keras variable,
        # `tf.saved_model.save` restores a copy that no signature reads:
        # `tf.saved_model.load` copes, but a session, as in TensorFlow Serving, fails
        # with "Could not find variable".
        self.weights = [variable.value for variable in generator.variables]

        def generate(latents: tf.Tensor) -> dict[str, tf.Tensor]:
            pyramid = generator(latents, training=False)
            return {image_key(scale.shape[1]): scale for scale in pyramid}

        def sample(num_images: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
            latents = tf.random.stateless_normal(
                [num_images, latent_dim], seed=tf.stack([seed, 0])
            )
            return generate(latents)

        self.generate = tf.function(
            generate,
            input_signature=[tf.TensorSpec([None, latent_dim], tf.float32, "latents")],
        )
        self.sample = tf.function(
            sample,
            input_signature=[
                tf.TensorSpec([], tf.int32, "num_images"),
                tf.TensorSpec([], tf.int64, "seed"),
            ],
        )


def export(generator: keras.Model, latent_dim: int, directory: str) -> None:
    """Writes the SavedModel, with warm-up requests for TensorFlow Serving.

    Args:
      generator: Latents -> pyramid, smallest first.
      latent_dim: Length of the latent vector.
      directory: Where to write the SavedModel, through a temporary directory.

    Raises:
      RunError: If pixels of the generator's images are not finite or not in [-1, 1].
    """
    served = ServedGenerator(generator, latent_dim)
    _check(served)
    with files.directory_beside(pathlib.Path(directory)) as part:
        tf.saved_model.save(
            served,
            str(part),
            signatures={"serving_default": served.generate, "sample": served.sample},
        )
        _write_warmup_requests(part, latent_dim)


def _check(served: ServedGenerator) -> None:
    images = served.sample(tf.constant(_CHECKED_SAMPLES), tf.constant(0, tf.int64))
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


def _write_warmup_requests(directory: pathlib.Path, latent_dim: int) -> None:
    """Writes requests that TensorFlow Serving replays when it loads the model."""
    requests: list[tuple[str, dict[str, npt.ArrayLike]]] = [
        ("serving_default", {"latents": np.zeros([batch, latent_dim], np.float32)})
        for batch in _WARMUP_BATCHES
    ]
    requests.append(("sample", {"num_images": np.int32(1), "seed": np.int64(0)}))
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
