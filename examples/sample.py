"""Generates 16 images with only TensorFlow: `python sample.py .../serving/VERSION`.

Meant to be copied: it imports nothing from this project.
"""

import sys

import tensorflow as tf

generator = tf.saved_model.load(sys.argv[1])
images = generator.signatures["sample"](
    num_images=tf.constant(16), seed=tf.constant(1, tf.int64)
)["image_28"]
levels = tf.cast(tf.round((images + 1) * 127.5), tf.uint8)
row = tf.concat(tf.unstack(levels), axis=1)
tf.io.write_file("sample.png", tf.io.encode_png(row))
