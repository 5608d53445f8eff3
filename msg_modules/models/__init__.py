"""The networks: each kind is a generator and a discriminator."""

from __future__ import annotations

from collections.abc import Callable

import keras

from msg_modules.models import compact, tutorial

Networks = tuple[keras.Model, keras.Model]

_NETWORKS: dict[str, Callable[[int], Networks]] = {
    "compact": compact.build,
    "tutorial": tutorial.build,
}


def build(network: str, latent_dim: int) -> Networks:
    """Builds a generator and a discriminator with fresh weights.

    Args:
      network: A key of the registry: `compact` or `tutorial`.
      latent_dim: Length of the latent vector.

    Returns:
      The generator, latents `[batch, latent_dim]` -> pyramid, smallest first,
      each `[batch, size, size, 1]` in [-1, 1]; and the discriminator, pyramid ->
      logits `[batch, 1]`.
    """
    return _NETWORKS[network](latent_dim)
