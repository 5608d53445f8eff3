"""Network architectures: each module builds a generator and a discriminator."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import get_args

import keras

from msg_modules.common.errors import ConfigError
from msg_modules.configs import Network, require
from msg_modules.data.image_spec import ImageSpec

Networks = tuple[keras.Model, keras.Model]

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def build(
    network: str,
    latent_dim: int,
    images: ImageSpec,
    precision: str = "float32",
    num_classes: int = 0,
) -> Networks:
    """Builds a generator and a discriminator with fresh weights.

    Args:
      network: Name of a module in this package with a function `build(latent_dim,
        images, num_classes)`. It has a description `IMAGES` if it is for certain
        images only, `CONDITIONAL = True` if it takes classes, and `GLOBAL_BATCH =
        True` if its layers see the global batch on any number of replicas. Layers of
        the discriminator must not reduce over replicas: the gradient penalties call it
        in a branch of a `tf.cond`.
      latent_dim: Length of the latent vector.
      images: The images to generate.
      precision: With `bfloat16`, the layers compute in bfloat16 with float32 weights;
        images and logits are still float32.
      num_classes: Number of classes to condition on; 0 for none, and for a network that
        does not take classes (`takes_classes`).

    Returns:
      The generator, codes `[batch, latent_dim + num_classes]` (see
      `generator.latents`) -> pyramid, smallest first, each `[batch, size, size,
      channels]` in [-1, 1]; and the discriminator, pyramid (and class weights
      `[batch, num_classes]`, if there are classes) -> logits `[batch, 1]`.

    Raises:
      ConfigError: If there is no such network, or it cannot generate these images.
    """
    module = check(network, images)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES[precision])
    try:
        return module.build(latent_dim, images, num_classes)
    finally:
        keras.config.set_dtype_policy(before)


def takes_classes(network: str) -> bool:
    """Whether a network can be conditioned on classes.

    Raises:
      ConfigError: If there is no such network.
    """
    return getattr(_module(network), "CONDITIONAL", False)


def sees_global_batch(network: str) -> bool:
    """Whether a network calculates the same on any number of replicas.

    Batch norm that is not synchronized sees only the images of its replica.

    Raises:
      ConfigError: If there is no such network.
    """
    return getattr(_module(network), "GLOBAL_BATCH", False)


def check(network: str, images: ImageSpec) -> ModuleType:
    """Returns the module of a network that can generate these images.

    Raises:
      ConfigError: If there is none.
    """
    module = _module(network)
    only = getattr(module, "IMAGES", images)
    if images != only:
        raise ConfigError(
            f"model.network is {network!r}, which generates {only} images in"
            f" {only.scales} scales only, but the images are {images} in"
            f" {images.scales} scales; use --model.network compact."
        )
    return module


def _module(network: str) -> ModuleType:
    names = get_args(Network)
    require(network in names, "model.network", network, f"one of {', '.join(names)}")
    return importlib.import_module(f"{__name__}.{network}")
