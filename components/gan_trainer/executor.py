"""Executor of GanTrainer: completes the settings of TFX's."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx.components.trainer import executor
from tfx.utils import json_utils

from msg_modules.data.dataset_spec import DatasetSpec


class Executor(executor.GenericExecutor):
    """Executor of `GanTrainer`."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Calls `run_fn` with `class_names` of the schema's `DatasetSpec`."""
        dataset = DatasetSpec.of(input_dict["schema"][0])
        settings = json_utils.loads(exec_properties["custom_config"])
        settings["class_names"] = list(dataset.label_names)
        super().Do(
            input_dict,
            output_dict,
            {**exec_properties, "custom_config": json_utils.dumps(settings)},
        )
