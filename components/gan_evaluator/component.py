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
        "dataset": component_spec.ExecutionParameter(type=str),
        "test_split": component_spec.ExecutionParameter(type=str),
        "config": component_spec.ExecutionParameter(type=str),
        "serving_dir": component_spec.ExecutionParameter(type=str, optional=True),
        "code": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "classifier": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": component_spec.ChannelParameter(
            type=standard_artifacts.Model, optional=True
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

    The outputs are those of TFX's Evaluator: `evaluation` holds `metrics.json`,
    and Pusher and `LatestBlessedModelStrategy` understand `blessing`. A
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
        serving_dir: str | None = None,
        code: str = "",
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
          serving_dir: Where the last blessed model is looked up if the config
            says so.
          code: Hash of the code, for the cache.
        """
        super().__init__(
            spec=GanEvaluatorSpec(
                model=model,
                examples=examples,
                classifier=classifier,
                baseline_model=baseline_model,
                dataset=dataset,
                test_split=test_split,
                config=json.dumps(dataclasses.asdict(config)),
                serving_dir=serving_dir,
                code=code,
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
