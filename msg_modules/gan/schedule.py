"""Learning rates over a training."""

from __future__ import annotations

from msg_modules.configs import TrainConfig

# While the learning rates fall, they change between two calls of the compiled steps.
_STAGES = 100


def rate_factor(decay: float, progress: float) -> float:
    """Returns the factor of the learning rates: 1, and at the end falling to 0.

    Args:
      decay: Fraction of the training, at its end, in which they fall linearly.
      progress: Fraction of the training that is done, in [0, 1].
    """
    return min(1.0, (1.0 - progress) / decay) if decay else 1.0


def factor_at(config: TrainConfig, step: int) -> float:
    """Returns the factor of the learning rates in a step.

    It is constant in each of about 100 stages, or steps if there are fewer.
    """
    begin, length = _stages(config)
    if step > begin:
        step = begin + (step - begin) // length * length
    return rate_factor(config.decay, step / config.steps)


def next_change(config: TrainConfig, step: int) -> int:
    """Returns the first later step with other learning rates, or that of the end."""
    begin, length = _stages(config)
    if step < begin:
        return begin
    return begin + ((step - begin) // length + 1) * length


def _stages(config: TrainConfig) -> tuple[int, int]:
    """Returns the step at which the rates begin to fall, and the length of a stage."""
    falling = round(config.decay * config.steps)
    return config.steps - falling, max(1, round(falling / _STAGES))
