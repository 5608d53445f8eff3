"""The TfdsExampleGen component."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.tfds_example_gen import driver, executor


class TfdsExampleGenSpec(component_spec.ComponentSpec):
    """Parameters and outputs of `TfdsExampleGen`."""

    PARAMETERS = {
        "dataset": component_spec.ExecutionParameter(type=str),
        "data_dir": component_spec.ExecutionParameter(type=str, optional=True),
        "train_split": component_spec.ExecutionParameter(type=str),
        "eval_split": component_spec.ExecutionParameter(type=str),
        "max_examples": component_spec.ExecutionParameter(type=int, optional=True),
        "image_key": component_spec.ExecutionParameter(type=str, optional=True),
        "label_key": component_spec.ExecutionParameter(type=str, optional=True),
        "class_names": component_spec.ExecutionParameter(type=str, optional=True),
    }
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
    examples.

    The cache key includes all parameters and, if the orchestrator runs drivers, a
    fingerprint of the dataset's files (`sources.fingerprint`), so that replaced data is
    ingested again. Kubeflow Pipelines does not run drivers; give `dataset` with its
    version there (`fashion_mnist:3.0.1`).
    """

    SPEC_CLASS = TfdsExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
    DRIVER_CLASS = driver.Driver

    def __init__(
        self,
        dataset: str,
        train_split: str,
        eval_split: str,
        data_dir: str | None = None,
        max_examples: int | None = None,
        image_key: str | None = None,
        label_key: str | None = None,
        class_names: Sequence[str] = (),
    ):
        """Creates the component.

        Args:
          dataset: TFDS name, with version.
          train_split: TFDS split or slice that becomes `train`.
          eval_split: TFDS split or slice that becomes `eval`.
          data_dir: Directory of prepared datasets; None for TFDS's default.
          max_examples: Maximum number of examples per split; None for all.
          image_key: The image feature; None for the only or supervised one.
          label_key: The label feature; None for the only or supervised class labels.
          class_names: The classes, if labels are strings.
        """
        super().__init__(
            spec=TfdsExampleGenSpec(
                dataset=dataset,
                train_split=train_split,
                eval_split=eval_split,
                data_dir=data_dir,
                max_examples=max_examples,
                image_key=image_key,
                label_key=label_key,
                class_names=json.dumps(list(class_names)),
                examples=types.Channel(type=standard_artifacts.Examples),
            )
        )
