"""Runs a pipeline in this process and reports its progress."""

from __future__ import annotations

import datetime
import time

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils, tfx_runner
from tfx.proto.orchestration import pipeline_pb2

from msg_modules.common import console, signals
from msg_modules.runs import database


class ComponentFailed(Exception):
    """A component raised an exception.

    Attributes:
      component: Id of the component.
      error: The exception.
    """

    def __init__(self, component: str, error: Exception):
        super().__init__(f"{component}: {error}")
        self.component = component
        self.error = error


class LocalDagRunner(tfx_runner.IrBasedRunner):
    """TFX's LocalDagRunner, with a progress line before and after each component.

    TFX's own runner is a single method that only logs at INFO level.
    """

    def run_with_ir(
        self,
        pipeline: pipeline_pb2.Pipeline,
        run_options: pipeline_pb2.RunOptions | None = None,
    ) -> None:
        """Runs the components sequentially.

        Args:
          pipeline: The compiled pipeline, components in topological order.
          run_options: Not supported.

        Raises:
          ComponentFailed: If a component raises; the rest are not started.
        """
        del run_options
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline,
            {
                constants.PIPELINE_RUN_ID_PARAMETER_NAME: (
                    datetime.datetime.now().isoformat()
                )
            },
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        connection = getattr(
            deployment.metadata_connection_config,
            deployment.metadata_connection_config.WhichOneof("connection_config"),
        )
        database_file = connection.sqlite.filename_uri
        for number, node in enumerate(pipeline.nodes, start=1):
            component = node.pipeline_node.node_info.id
            console.say(f"[{number}/{len(pipeline.nodes)}] {component} ...")
            start = time.monotonic()
            store = metadata.Metadata(connection)
            try:
                with database.explained(database_file):
                    execution = launcher.Launcher(
                        pipeline_node=node.pipeline_node,
                        mlmd_connection=store,
                        pipeline_info=pipeline.pipeline_info,
                        pipeline_runtime_spec=pipeline.runtime_spec,
                        executor_spec=runner_utils.extract_executor_spec(
                            deployment, component
                        ),
                        custom_driver_spec=runner_utils.extract_custom_driver_spec(
                            deployment, component
                        ),
                    ).launch()
                # A lost interruption must not lead to a push.
                signals.check(component)
            except Exception as e:
                raise ComponentFailed(component, e) from e
            how = "cache hit" if _is_cached(store, execution.execution_id) else "done"
            seconds = time.monotonic() - start
            console.say(
                f"[{number}/{len(pipeline.nodes)}] {component}: {how} ({seconds:.1f} s)"
            )


def _is_cached(store: metadata.Metadata, execution_id: int) -> bool:
    with store as handle:
        (execution,) = handle.store.get_executions_by_id([execution_id])
    return execution.last_known_state == metadata_store_pb2.Execution.CACHED
