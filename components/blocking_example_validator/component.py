"""The BlockingExampleValidator component."""

from tfx.components.example_validator.component import ExampleValidator
from tfx.dsl.components.base import executor_spec

from components.blocking_example_validator import executor


class BlockingExampleValidator(ExampleValidator):
    """TFX's ExampleValidator, but an anomaly ends the run.

    Make the component that must not see bad examples wait for this one with
    `add_upstream_node`.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)
