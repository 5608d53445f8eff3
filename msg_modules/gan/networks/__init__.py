"""Network architectures: each module builds a generator and a discriminator."""

from __future__ import annotations

import importlib
from typing import get_args

import keras

from msg_modules.configs import Network, require

Networks = tuple[keras.Model, keras.Model]

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def build(network: str, latent_dim: int, precision: str = "float32") -> Networks:
    """Builds a generator and a discriminator with fresh weights.

    Args:
      network: Name of a module in this package with a function `build(latent_dim)`.
      latent_dim: Length of the latent vector.
      precision: With `bfloat16`, the layers compute in bfloat16 with float32 weights;
        images and logits are still float32.

    Returns:
      The generator, latents `[batch, latent_dim]` -> pyramid, smallest first,
      each `[batch, size, size, 1]` in [-1, 1]; and the discriminator, pyramid ->
      logits `[batch, 1]`.

    Raises:
      ConfigError: If there is no such network.
    """
    names = get_args(Network)
    require(network in names, "model.network", network, f"one of {', '.join(names)}")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES[precision])
    try:
        module = importlib.import_module(f"{__name__}.{network}")
        return module.build(latent_dim)
    finally:
        keras.config.set_dtype_policy(before)
