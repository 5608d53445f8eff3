"""Mixes generated images into a tf.data pipeline: `python augment.py .../VERSION`.

Meant to be copied: it imports nothing from this project. Generated images have no
labels, so use them where none are needed, as in representation learning or denoising.
"""

import sys

import tensorflow as tf

BATCH = 32
SHARE = 0.25  # fraction of generated images


def generated_images(version: str) -> tf.data.Dataset:
    """An infinite dataset of distinct images `[28, 28, 1]` in [-1, 1]."""
    model = tf.saved_model.load(version)
    sample = model.signatures["sample"]

    def draw(seed: tf.Tensor) -> tf.Tensor:
        return sample(num_images=tf.constant(BATCH), seed=seed)["image_28"]

    # Generate in batches, which is faster, then split them into single images.
    images = tf.data.Dataset.counter().map(draw).unbatch()
    images.model = model  # Signatures hold only weak references to the variables.
    return images


def augmented(real: tf.data.Dataset, version: str) -> tf.data.Dataset:
    """Batches `[32, 28, 28, 1]` of real images, a quarter of them generated.

    Args:
      real: Images `[28, 28, 1]` in [-1, 1].
      version: Version directory of a pushed generator.
    """
    mixed = tf.data.Dataset.sample_from_datasets(
        [real.repeat(), generated_images(version)], weights=[1 - SHARE, SHARE], seed=0
    )
    return mixed.batch(BATCH).prefetch(tf.data.AUTOTUNE)


if __name__ == "__main__":
    real = tf.data.Dataset.from_tensor_slices(tf.ones([100, 28, 28, 1]))
    for batch in augmented(real, sys.argv[1]).take(8):
        share = tf.reduce_mean(tf.cast(tf.reduce_any(batch < 1, [1, 2, 3]), tf.float32))
        print(batch.shape, f"{share.numpy():.0%} generated")
