"""A conditional generator of the images of `stripes`, without any training."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from specs import FASHION

from msg_modules.data.class_spec import ClassSpec
from msg_modules.data.preprocessing import make_pyramid
from msg_modules.generator import export
from msg_modules.generator.sampling import Generator, load_generator

CLASSES = ClassSpec(("vertical", "horizontal", "diagonal"), (0.2, 0.3, 0.5))
_LATENT_DIM = 8


@keras.saving.register_keras_serializable()
class _Stripes(keras.Layer):
    def __init__(self, patterns: Sequence[int], collapsed: Sequence[float]):
        super().__init__()
        self._patterns = list(patterns)
        self._collapsed = tf.constant(collapsed, tf.float32)

    def call(self, codes: tf.Tensor) -> tuple[tf.Tensor, ...]:
        latents, weights = codes[:, :_LATENT_DIM], codes[:, _LATENT_DIM:]
        uniform = 0.5 * (1 + tf.math.erf(latents[:, :2] / np.sqrt(2)))
        uniform *= 1 - tf.reduce_sum(weights * self._collapsed, 1, keepdims=True)
        phase = 2 * np.pi * uniform[:, 0, None, None, None]
        period = 4 + 4 * uniform[:, 1, None, None, None]
        y, x = np.mgrid[:28, :28].astype(np.float32)
        along = np.stack([x, y, (x + y) / np.sqrt(2)], -1)[..., self._patterns]
        each = tf.sin(2 * np.pi * along / period + phase)
        images = tf.reduce_sum(each * weights[:, None, None, :], -1, keepdims=True)
        return make_pyramid(images, FASHION.sizes)


def striped_generator(
    directory: pathlib.Path,
    patterns: Sequence[int] = (0, 1, 2),
    collapsed: Sequence[float] = (0, 0, 0),
) -> Generator:
    """Exports and loads the generator.

    Args:
      directory: Where to export it.
      patterns: For each class, the one that is drawn when it is asked for.
      collapsed: For each class, 1 if all its images are the same.
    """
    codes = keras.Input([_LATENT_DIM + len(CLASSES)])
    network = keras.Model(codes, _Stripes(patterns, collapsed)(codes))
    export.export(network, _LATENT_DIM, str(directory), CLASSES)
    return load_generator(directory)
