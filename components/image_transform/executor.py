"""Executor of ImageTransform: completes the settings of TFX's, and checks files."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx.components.transform import executor
from tfx.types import artifact_utils
from tfx.utils import json_utils

from msg_modules.data import manifest
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
        """Transforms the examples to the images of the schema's `DatasetSpec`.

        Raises:
          RunError: If a file of the examples is missing or has changed in size.
        """
        manifest.check(artifact_utils.get_single_uri(input_dict["examples"]))
        dataset = DatasetSpec.of(input_dict["schema"][0])
        preparation = Preparation(
            dataset.images, **json_utils.loads(exec_properties["custom_config"])
        )
        settings = json_utils.dumps(preparation.to_custom_config())
        super().Do(
            input_dict, output_dict, {**exec_properties, "custom_config": settings}
        )
        manifest.write(
            artifact_utils.get_single_uri(output_dict["transformed_examples"])
        )
