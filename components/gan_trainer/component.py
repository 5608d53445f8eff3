"""The GanTrainer component."""

from __future__ import annotations

from tfx.components.trainer.component import Trainer
from tfx.dsl.components.base import executor_spec

from components.gan_trainer import executor


class GanTrainer(Trainer):
    """TFX's Trainer, except that `custom_config` gets the names of the classes.

    They come from the schema's `DatasetSpec`.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)
