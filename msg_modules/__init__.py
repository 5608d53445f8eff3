"""The MSG-GAN: data, networks, training, export, evaluation and serving."""

import os

from msg_modules.common import lazy_imports

# By default, TensorFlow uses oneDNN's convolutions only on CPUs with AVX512-VNNI or
# AMX. They are faster on other CPUs too, most of all in the backward pass and with few
# channels. TensorFlow reads the variable once, on import.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

lazy_imports.install()
