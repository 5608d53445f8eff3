"""The MSG-GAN: data, networks, training, export, evaluation and serving."""

import os

# By default, TensorFlow uses oneDNN's convolutions only on CPUs with AVX512-VNNI or
# AMX. They are faster on other CPUs too, most of all in the backward pass and with few
# channels. TensorFlow reads the variable once, on import.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
