"""The networks: each kind is a generator and a discriminator."""

from __future__ import annotations

from collections.abc import Callable

import keras

from msg_modules.gan.networks import compact, tutorial

Networks = tuple[keras.Model, keras.Model]

_NETWORKS: dict[str, Callable[[int], Networks]] = {
    "compact": compact.build,
    "tutorial": tutorial.build,
}

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def build(network: str, latent_dim: int, precision: str = "float32") -> Networks:
    """Builds a generator and a discriminator with fresh weights.

    Args:
      network: A key of the registry: `compact` or `tutorial`.
      latent_dim: Length of the latent vector.
      precision: `bfloat16` lets the layers calculate in it, on float32 weights; the
        images and the logits are float32 all the same.

    Returns:
      The generator, latents `[batch, latent_dim]` -> pyramid, smallest first,
      each `[batch, size, size, 1]` in [-1, 1]; and the discriminator, pyramid ->
      logits `[batch, 1]`.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES[precision])
    try:
        return _NETWORKS[network](latent_dim)
    finally:
        keras.config.set_dtype_policy(before)
