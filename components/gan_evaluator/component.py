"""The GanEvaluator component."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.gan_evaluator import executor
from msg_modules.configs import EvaluateConfig


class GanEvaluatorSpec(component_spec.ComponentSpec):
    """Parameters, inputs and outputs of `GanEvaluator`."""

    PARAMETERS = {
        "dataset": component_spec.ExecutionParameter(type=str),
        "test_split": component_spec.ExecutionParameter(type=str),
        "config": component_spec.ExecutionParameter(type=str),
        "serving_dir": component_spec.ExecutionParameter(type=str, optional=True),
        "class_names": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "classifier": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": component_spec.ChannelParameter(
            type=standard_artifacts.Model, optional=True
        ),
        "model_run": component_spec.ChannelParameter(
            type=standard_artifacts.ModelRun, optional=True
        ),
        "transform_graph": component_spec.ChannelParameter(
            type=standard_artifacts.TransformGraph, optional=True
        ),
        "schema": component_spec.ChannelParameter(
            type=standard_artifacts.Schema, optional=True
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
    """Measures an exported generator, and blesses it or says why not.

    The outputs are those of TFX's Evaluator: `evaluation` holds `metrics.json` and
    `report.html`; Pusher and `LatestBlessedModelStrategy` understand `blessing`,
    which also holds the model card of a blessed generator. A
    generator that breaks its contract is not blessed; what keeps it from being
    judged at all, such as a classifier of other images, fails the component.
    """

    SPEC_CLASS = GanEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        classifier: types.BaseChannel,
        dataset: str,
        test_split: str,
        config: EvaluateConfig,
        baseline_model: types.BaseChannel | None = None,
        model_run: types.BaseChannel | None = None,
        transform_graph: types.BaseChannel | None = None,
        schema: types.BaseChannel | None = None,
        class_names: Sequence[str] = (),
        serving_dir: str | None = None,
    ):
        """Creates the component.

        Args:
          model: The Trainer's output.
          examples: Transformed examples with the splits `train` and `eval`.
          classifier: The output of `ClassifierTrainer` for the same dataset.
          dataset: Name and version of the dataset.
          test_split: What the split `eval` is of the dataset, to be shown beside
            the figures.
          config: Images, seeds and thresholds.
          baseline_model: The last blessed model, from a Resolver.
          model_run: The Trainer's, for the report to show how it learned.
          transform_graph: What the images went through, for the lineage.
          schema: What the examples were checked with, for the lineage.
          class_names: Names of the classes in the report; numbers without them.
          serving_dir: Where the last blessed model is looked up if the config
            says so.
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
                dataset=dataset,
                test_split=test_split,
                config=json.dumps(dataclasses.asdict(config)),
                serving_dir=serving_dir,
                class_names=json.dumps(list(class_names)),
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
