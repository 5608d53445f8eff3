"""Executor of CheckedStatisticsGen: checks the examples before TFX's reads them."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx.components.statistics_gen import executor
from tfx.types import artifact_utils

from msg_modules.data import manifest


class Executor(executor.Executor):
    """Executor of `CheckedStatisticsGen`."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Computes the statistics of every split.

        Raises:
          RunError: If a file of the examples is missing or has changed in size.
        """
        manifest.check(artifact_utils.get_single_uri(input_dict["examples"]))
        super().Do(input_dict, output_dict, exec_properties)
