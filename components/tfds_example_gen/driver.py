"""Driver of TfdsExampleGen: adds the data's fingerprint to the cache key."""

from __future__ import annotations

from tfx.dsl.components.base import base_driver
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.tfds_example_gen import sources
from components.tfds_example_gen.configs import DataConfig


class Driver(base_driver.BaseDriver, portable_driver.BaseDriver):
    """Driver of `TfdsExampleGen`.

    Prepares the dataset if necessary, and adds a fingerprint of its files to the
    execution's properties: changed data is a cache miss, even under the same name and
    version. The dataset must have been settled (`resolution.resolve`). Kubeflow
    Pipelines does not run drivers; there, the executor settles and prepares it.
    """

    def __init__(self, mlmd_connection: metadata.Metadata):
        """Creates the driver; called by TFX."""
        portable_driver.BaseDriver.__init__(self, mlmd_connection)

    def run(
        self, execution_info: data_types.ExecutionInfo
    ) -> driver_output_pb2.DriverOutput:
        """Adds `data_fingerprint` to the execution properties.

        Raises:
          RunError: If the dataset cannot be prepared.
        """
        config = DataConfig.of_json(execution_info.exec_properties["config"])
        builder = sources.load_builder(config.dataset, config.data_dir)
        sources.prepare(builder)
        output = driver_output_pb2.DriverOutput()
        value = output.exec_properties["data_fingerprint"]
        value.string_value = sources.fingerprint(builder)
        return output
