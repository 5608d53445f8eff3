"""The recipes that `recipe.py` compares: the default one, and changes of it."""

from __future__ import annotations

import dataclasses
from typing import Any

from msg_modules.configs import ModelConfig, TrainConfig

AS_IT_IS = "as it is"

# Fields of `TrainConfig` that say how to run a training, not what it learns.
_NOT_RECIPE = frozenset(
    {
        "steps",
        "start_from",
        "strategy",
        "replicas",
        "workers",
        "seed",
        "report_every",
        "sample_every",
        "checkpoint_every",
        "checkpoint_seconds",
        "checkpoint_keep",
        "checkpoint_dir",
        "allow_changed",
        "divergence_retries",
        "deterministic",
    }
)

Settings = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Row:
    """A change of the default recipe.

    Attributes:
      train: Fields of `TrainConfig` to change.
      model: Fields of `ModelConfig` to change.
    """

    train: dict[str, Any] = dataclasses.field(default_factory=dict)
    model: dict[str, Any] = dataclasses.field(default_factory=dict)

    def configs(self, seed: int = 0) -> tuple[ModelConfig, TrainConfig]:
        """Returns the settings of a training."""
        return ModelConfig(**self.model), TrainConfig(seed=seed, **self.train)

    def settings(self) -> Settings:
        """Returns all that makes two recipes different, as `train.loss`: value."""
        model, train = self.configs()
        return {
            f"{section}.{name}": value
            for section, config in (("model", model), ("train", train))
            for name, value in dataclasses.asdict(config).items()
            if name not in _NOT_RECIPE
        }


def _learning_rates(rate: float) -> dict[str, Any]:
    return {"generator_learning_rate": rate, "discriminator_learning_rate": rate}


ROWS: dict[str, Row] = {
    AS_IT_IS: Row(),
    "where it began": Row({"r1_gamma": 0.05, "beta_1": 0.5}, {"latent_dim": 64}),
    "no R1": Row({"r1_gamma": 0.0}),
    "R1 0.005": Row({"r1_gamma": 0.005}),
    "R1 0.05": Row({"r1_gamma": 0.05}),
    "R1 5": Row({"r1_gamma": 5.0}),
    "R1 50": Row({"r1_gamma": 50.0}),
    "R1 every step": Row({"penalty_interval": 1}),
    "relativistic, R1": Row({"loss": "relativistic"}),
    "relativistic, R1 and R2": Row({"loss": "relativistic", "r2_gamma": 0.5}),
    "relativistic, R1 and R2 every step": Row(
        {"loss": "relativistic", "r2_gamma": 0.5, "penalty_interval": 1}
    ),
    "relativistic, R1 and R2 of 5": Row(
        {"loss": "relativistic", "r1_gamma": 5.0, "r2_gamma": 5.0}
    ),
    "relativistic, R1 and R2 of 5 every step": Row(
        {
            "loss": "relativistic",
            "r1_gamma": 5.0,
            "r2_gamma": 5.0,
            "penalty_interval": 1,
        }
    ),
    "relativistic, R1 and R2 of 50": Row(
        {"loss": "relativistic", "r1_gamma": 50.0, "r2_gamma": 50.0}
    ),
    "hinge": Row({"loss": "hinge"}),
    "batch 32": Row({"batch_size": 32}),
    "batch 128": Row({"batch_size": 128}),
    "learning rates halved": Row(_learning_rates(5e-4)),
    "learning rates doubled": Row(_learning_rates(2e-3)),
    "learning rates doubled, batch 32": Row(
        {**_learning_rates(2e-3), "batch_size": 32}
    ),
    "decay 0.2": Row({"decay": 0.2}),
    "decay 0.5": Row({"decay": 0.5}),
    "beta1 0.5": Row({"beta_1": 0.5}),
    "no average": Row({"ema_half_life": 0}),
    "average of 500 images": Row({"ema_half_life": 500}),
    "average of 2,000 images": Row({"ema_half_life": 2000}),
    "average of 20,000 images": Row({"ema_half_life": 20_000}),
    "bfloat16": Row({"precision": "bfloat16"}),
    "augmented": Row({"augment": True}),
    "no class labels": Row(model={"conditional": False}),
    "latents of 32": Row(model={"latent_dim": 32}),
    "latents of 64": Row(model={"latent_dim": 64}),
}


def complete(settings: Settings) -> Settings:
    """Adds fields that did not exist when the settings were recorded.

    They get their defaults, with which a training learns the same as without them.
    """
    return {**Row().settings(), **settings}


def name_of(settings: Settings) -> str | None:
    """Returns the name of the row with these settings; None if there is none."""
    names = (name for name, row in ROWS.items() if row.settings() == settings)
    return next(names, None)
