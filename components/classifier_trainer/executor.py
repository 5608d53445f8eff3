"""Executor of ClassifierTrainer."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from msg_modules.common import console
from msg_modules.configs import ClassifierConfig
from msg_modules.data import reading
from msg_modules.data.dataset_spec import DatasetSpec
from msg_modules.metrics import classifier


class Executor(base_executor.BaseExecutor):
    """Executor of `ClassifierTrainer`."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Trains the classifier, and the second opinion, on the split `train`.

        Raises:
          RunError: If the examples cannot be read, there are too few of them, or a
            label is out of range.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pattern = f"{artifact_utils.get_split_uri(input_dict['examples'], 'train')}/*"
        dataset = DatasetSpec.of(input_dict["schema"][0])
        config = ClassifierConfig(**json.loads(exec_properties["config"]))
        examples = reading.load_examples(pattern)
        judges = classifier.train_judges(
            examples,
            dataset=dataset.name,
            num_classes=dataset.num_classes,
            config=config,
        )
        artifact = artifact_utils.get_single_instance(output_dict["classifier"])
        classifier.save_judges(judges, artifact.uri)
        for key, value in dataclasses.asdict(judges[0].info).items():
            artifact.set_string_custom_property(key, str(value))
        for judge in filter(None, judges):
            console.say(f"  {judge.info}")
