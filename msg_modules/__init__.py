"""The MSG-GAN: preprocessing, networks, losses, training, export."""

import os

from msg_modules.common import lazy_imports

# TensorFlow takes oneDNN's convolutions by itself only on CPUs with AVX512-VNNI
# or AMX. On others they are quicker as well, most of all backwards and with few
# channels; TensorFlow reads this once, when it is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

lazy_imports.install()
