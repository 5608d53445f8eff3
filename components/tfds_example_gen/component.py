"""The TfdsExampleGen component."""

from __future__ import annotations

import dataclasses

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.tfds_example_gen import driver, executor
from components.tfds_example_gen.configs import DataConfig


class TfdsExampleGenSpec(component_spec.ComponentSpec):
    """Parameters and outputs of `TfdsExampleGen`."""

    PARAMETERS = {"config": component_spec.ExecutionParameter(type=str)}
    INPUTS: dict[str, component_spec.ChannelParameter] = {}
    OUTPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)
    }


class TfdsExampleGen(base_beam_component.BaseBeamComponent):
    """Ingests a TFDS image-classification dataset as `tf.Example`.

    The output has the splits `train` and `eval`. Each example has `image` (bytes, with
    TFDS's encoding), and if the dataset has labels, `label` (int64) and the class's
    name, if it has one, as `label_name`. The artifact's custom properties identify the
    data: `dataset`, `dataset_version`, and for each split its TFDS slice and number of
    examples; and they hold what later steps need to know of the dataset
    (`msg_modules.data.dataset_spec`).

    What the config leaves open is settled here (`resolution.resolve`), unless a runner
    has done so before the run.

    The cache key includes the config and, if the orchestrator runs drivers, a
    fingerprint of the dataset's files (`sources.fingerprint`), so that replaced data is
    ingested again. Kubeflow Pipelines does not run drivers; give the dataset with its
    version there (`fashion_mnist:3.0.1`).
    """

    SPEC_CLASS = TfdsExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
    DRIVER_CLASS = driver.Driver

    def __init__(self, config: DataConfig):
        """Creates the component.

        Args:
          config: Settings of the data. `schema` is none of this step's business.
        """
        super().__init__(
            spec=TfdsExampleGenSpec(
                config=dataclasses.replace(config, schema=None).to_json(),
                examples=types.Channel(type=standard_artifacts.Examples),
            )
        )
