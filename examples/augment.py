"""Mixes generated images into a tf.data pipeline: `python augment.py .../VERSION`.

Copy it: nothing of this project is imported. The images have no labels, so this is for
training that needs none: representations, denoising, discriminators.
"""

import sys

import tensorflow as tf

BATCH = 32
SHARE = 0.25  # of generated images


def generated_images(version: str) -> tf.data.Dataset:
    """Endless images `[28, 28, 1]` in [-1, 1], each from other latents."""
    model = tf.saved_model.load(version)
    sample = model.signatures["sample"]

    def draw(seed: tf.Tensor) -> tf.Tensor:
        return sample(num_images=tf.constant(BATCH), seed=seed)["image_28"]

    # One call draws many; `unbatch` hands them on one by one.
    images = tf.data.Dataset.counter().map(draw).unbatch()
    images.model = model  # Functions hold their variables weakly.
    return images


def augmented(real: tf.data.Dataset, version: str) -> tf.data.Dataset:
    """Batches `[32, 28, 28, 1]` of real images, a quarter of them generated.

    Args:
      real: Images `[28, 28, 1]` in [-1, 1].
      version: Directory of a generator's version.
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
