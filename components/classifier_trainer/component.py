"""The ClassifierTrainer component."""

from __future__ import annotations

import dataclasses
import json

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.classifier_trainer import executor
from msg_modules.configs import ClassifierConfig


class ClassifierTrainerSpec(component_spec.ComponentSpec):
    """Parameters, input and output of `ClassifierTrainer`."""

    PARAMETERS = {
        "dataset": component_spec.ExecutionParameter(type=str),
        "num_classes": component_spec.ExecutionParameter(type=int, optional=True),
        "config": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)
    }
    OUTPUTS = {
        "classifier": component_spec.ChannelParameter(type=standard_artifacts.Model)
    }


class ClassifierTrainer(base_component.BaseComponent):
    """Trains the classifier in whose feature space `GanEvaluator` compares images.

    It is trained once per dataset and is a cache hit while images, settings and code
    are unchanged. The artifact's custom properties hold its description
    (`msg_modules.metrics.classifier.ClassifierInfo`).
    """

    SPEC_CLASS = ClassifierTrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        dataset: str,
        config: ClassifierConfig,
        num_classes: int | None = None,
    ):
        """Creates the component.

        Args:
          examples: Transformed examples with the split `train`.
          dataset: Name and version of the dataset.
          config: Training settings.
          num_classes: Number of classes; None for the largest label plus one.
        """
        super().__init__(
            spec=ClassifierTrainerSpec(
                examples=examples,
                dataset=dataset,
                num_classes=num_classes,
                config=json.dumps(dataclasses.asdict(config)),
                classifier=types.Channel(type=standard_artifacts.Model),
            )
        )
