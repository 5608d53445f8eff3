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
    """Parameters, inputs and output of `ClassifierTrainer`."""

    PARAMETERS = {"config": component_spec.ExecutionParameter(type=str)}
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
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
        schema: types.BaseChannel,
        config: ClassifierConfig,
    ):
        """Creates the component.

        Args:
          examples: Transformed examples with the split `train`.
          schema: Schema with the `DatasetSpec` of the examples.
          config: Training settings.
        """
        super().__init__(
            spec=ClassifierTrainerSpec(
                examples=examples,
                schema=schema,
                config=json.dumps(dataclasses.asdict(config)),
                classifier=types.Channel(type=standard_artifacts.Model),
            )
        )
