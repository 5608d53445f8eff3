"""Differentiable augmentation of the images that the discriminator sees.

Zhao et al. (arXiv 2006.10738): real and generated images are transformed alike, in the
updates of both networks, so that the discriminator cannot memorize a small dataset and
the generator does not learn the transformations themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from msg_modules.data.preprocessing import Pyramid

# Uniform random numbers in [0, 1) that an image needs.
NUM_RANDOMS = 7

# Policy and strengths of the paper's training code. Images move by up to an eighth of
# their size, and a square half as large as the image is cut out.
_SHIFT = 0.125
_CUT = 0.5
# Middle grey, as there.
_FILL = 0.0


def augment(images: Pyramid, randoms: tf.Tensor) -> Pyramid:
    """Changes colours, moves and cuts out, differentiably and alike at every scale.

    Grayscale images keep their values: brightness and contrast are part of what they
    show.

    Args:
      images: `[batch, size, size, channels]` for each scale, values in [-1, 1].
      randoms: Uniform in [0, 1), `[batch, NUM_RANDOMS]`.

    Returns:
      The same shapes; changed colours may leave [-1, 1].
    """
    colours, shifts, centres = tf.split(randoms, [3, 2, 2], axis=1)
    shifts = _SHIFT * (2 * shifts - 1)
    changed = []
    for scale in images:
        if scale.shape[-1] > 1:
            scale = _change_colours(scale, tf.unstack(colours, axis=1))
        changed.append(_cut_out(_move(scale, shifts), centres))
    return tuple(changed)


def _change_colours(images: tf.Tensor, randoms: Sequence[tf.Tensor]) -> tf.Tensor:
    """Changes brightness by up to 0.5, saturation up to twice, contrast by half."""
    brightness, saturation, contrast = (
        random[:, tf.newaxis, tf.newaxis, tf.newaxis] for random in randoms
    )
    images += brightness - 0.5
    grey = tf.reduce_mean(images, axis=-1, keepdims=True)
    images = grey + 2 * saturation * (images - grey)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + (contrast + 0.5) * (images - mean)


def _move(images: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
    """Moves images down and right by fractions of their size, `[batch, 2]`."""
    # To whole pixels: interpolation would blur, which at 7 pixels is all one would see.
    down, right = tf.unstack(tf.round(shifts * images.shape[1]), axis=1)
    one, zero = tf.ones_like(down), tf.zeros_like(down)
    # Row by row, from output coordinates (x, y) to input coordinates.
    matrices = tf.stack([one, zero, -right, zero, one, -down, zero, zero], axis=1)
    return keras.ops.image.affine_transform(
        images, matrices, "nearest", "constant", _FILL, "channels_last"
    )


def _cut_out(images: tf.Tensor, centres: tf.Tensor) -> tf.Tensor:
    """Replaces the squares around centres, in fractions of the size, `[batch, 2]`."""
    size = images.shape[1]
    pixels = (tf.range(size, dtype=tf.float32) + 0.5) / size
    inside = tf.abs(pixels - centres[:, :, tf.newaxis]) < _CUT / 2
    rows, columns = tf.unstack(inside, axis=1)
    cut = rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :]
    return tf.where(cut[..., tf.newaxis], _FILL, images)
