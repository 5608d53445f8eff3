"""Executor of ImageTransform: completes the settings of TFX's."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx.components.transform import executor
from tfx.utils import json_utils

from msg_modules.data.dataset_spec import DatasetSpec
from msg_modules.data.preprocessing import Preparation


class Executor(executor.Executor):
    """Executor of `ImageTransform`."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Transforms the examples to the images of the schema's `DatasetSpec`."""
        dataset = DatasetSpec.of(input_dict["schema"][0])
        preparation = Preparation(
            dataset.images, **json_utils.loads(exec_properties["custom_config"])
        )
        settings = json_utils.dumps(preparation.to_custom_config())
        super().Do(
            input_dict, output_dict, {**exec_properties, "custom_config": settings}
        )
