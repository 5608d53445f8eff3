"""Learning rates over a training."""

from __future__ import annotations

from msg_modules.configs import TrainConfig

# A call of the compiled steps has constant rates, and they change between two calls.
_STAGES = 100


def rate_factor(decay: float, progress: float) -> float:
    """Returns what the learning rates are multiplied by: 1, and at the end less.

    Args:
      decay: Share of the training, at its end, in which they fall linearly to 0.
      progress: Share of the training that is done, in [0, 1].
    """
    return min(1.0, (1.0 - progress) / decay) if decay else 1.0


def stage_steps(config: TrainConfig) -> int:
    """Returns the length of a stage, in which the learning rates are constant."""
    if not config.decay:
        return config.steps
    return max(1, round(config.decay * config.steps / _STAGES))


def stage_factor(config: TrainConfig, step: int) -> float:
    """Returns `rate_factor` at the start of the stage that `step` lies in."""
    length = stage_steps(config)
    return rate_factor(config.decay, step // length * length / config.steps)
