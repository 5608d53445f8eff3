"""The GanEvaluator component."""

from __future__ import annotations

import dataclasses
import json

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.gan_evaluator import executor
from msg_modules.configs import EvaluateConfig


class GanEvaluatorSpec(component_spec.ComponentSpec):
    """Parameters, inputs and outputs of `GanEvaluator`."""

    PARAMETERS = {
        "test_split": component_spec.ExecutionParameter(type=str),
        "config": component_spec.ExecutionParameter(type=str),
        "serving_dir": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "classifier": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
        "baseline_model": component_spec.ChannelParameter(
            type=standard_artifacts.Model, optional=True
        ),
        "model_run": component_spec.ChannelParameter(
            type=standard_artifacts.ModelRun, optional=True
        ),
        "transform_graph": component_spec.ChannelParameter(
            type=standard_artifacts.TransformGraph, optional=True
        ),
    }
    OUTPUTS = {
        "evaluation": component_spec.ChannelParameter(
            type=standard_artifacts.ModelEvaluation
        ),
        "blessing": component_spec.ChannelParameter(
            type=standard_artifacts.ModelBlessing
        ),
    }


class GanEvaluator(base_component.BaseComponent):
    """Evaluates an exported generator, and blesses it or gives the reasons why not.

    The outputs correspond to those of TFX's Evaluator: `evaluation` holds
    `metrics.json` and `report.html`; `blessing` works with Pusher and
    `LatestBlessedModelStrategy`, and also holds the model card of a blessed generator.
    A generator that violates its serving contract is not blessed. Anything that makes
    an evaluation impossible, such as a classifier of another dataset, fails the
    component.
    """

    SPEC_CLASS = GanEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        classifier: types.BaseChannel,
        schema: types.BaseChannel,
        test_split: str,
        config: EvaluateConfig,
        baseline_model: types.BaseChannel | None = None,
        model_run: types.BaseChannel | None = None,
        transform_graph: types.BaseChannel | None = None,
        serving_dir: str | None = None,
    ):
        """Creates the component.

        Args:
          model: The Trainer's output.
          examples: Transformed examples with the splits `train` and `eval`.
          classifier: The output of `ClassifierTrainer` for the same dataset.
          schema: Schema with the `DatasetSpec` of the examples.
          test_split: TFDS split or slice of which `eval` consists, shown with the
            metrics.
          config: Number of images, seeds and thresholds.
          baseline_model: The last blessed model, from a Resolver.
          model_run: The Trainer's output, for the training history in the report.
          transform_graph: Output of Transform, recorded as lineage.
          serving_dir: Where to look up the last blessed model if `config.baseline` is
            `serving_dir`.
        """
        super().__init__(
            spec=GanEvaluatorSpec(
                model=model,
                examples=examples,
                classifier=classifier,
                baseline_model=baseline_model,
                model_run=model_run,
                transform_graph=transform_graph,
                schema=schema,
                test_split=test_split,
                config=json.dumps(dataclasses.asdict(config)),
                serving_dir=serving_dir,
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
