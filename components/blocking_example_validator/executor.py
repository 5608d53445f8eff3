"""Executor of BlockingExampleValidator: TFX's checks, drift, and failing the run."""

from __future__ import annotations

import os
from typing import Any

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.components.example_validator import executor as tfx_executor
from tfx.components.example_validator import labels
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.proto.orchestration import execution_result_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import writer_utils

from msg_modules.common.errors import RunError


class Executor(tfx_executor.Executor):
    """Executor of `BlockingExampleValidator`.

    In addition to TFX's checks against the schema, each split is compared with `train`
    using the drift comparators in the schema.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> execution_result_pb2.ExecutorOutput:
        """Validates every split.

        Raises:
          RunError: If a split has an anomaly.
        """
        statistics = artifact_utils.get_single_instance(input_dict["statistics"])
        self._train_statistics = stats_artifact_utils.load_statistics(
            statistics, "train"
        ).proto()
        self._anomalies: list[str] = []
        output = super().Do(input_dict, output_dict, exec_properties)
        if self._anomalies:
            found = "; ".join(anomaly.rstrip(".") for anomaly in self._anomalies)
            raise RunError(
                f"The examples do not match their schema: {found}."
                " Fix the data, or set a matching schema with --data.schema."
            )
        return output

    def _Validate(
        self, inputs: dict[str, Any], outputs: dict[str, Any]
    ) -> anomalies_pb2.Anomalies:
        output_dir = outputs[labels.SCHEMA_DIFF_PATH]
        anomalies = tfdv.validate_statistics(
            inputs[standard_component_specs.STATISTICS_KEY],
            inputs[standard_component_specs.SCHEMA_KEY],
            previous_statistics=self._train_statistics,
        )
        writer_utils.write_anomalies(
            os.path.join(output_dir, tfx_executor.DEFAULT_FILE_NAME), anomalies
        )
        split = os.path.basename(output_dir).removeprefix("Split-")
        for feature, info in sorted(anomalies.anomaly_info.items()):
            self._anomalies.append(
                f"{split}: {feature or 'dataset'}: {info.description}"
            )
        if anomalies.data_missing:
            self._anomalies.append(f"{split}: no examples")
        for reason in anomalies.dataset_anomaly_info.reason:
            self._anomalies.append(f"{split}: {reason.description}")
        return anomalies
