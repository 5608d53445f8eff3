"""The BlockingExampleValidator component."""

from tfx.components.example_validator.component import ExampleValidator
from tfx.dsl.components.base import executor_spec

from components.blocking_example_validator import executor


class BlockingExampleValidator(ExampleValidator):
    """TFX's ExampleValidator, except that an anomaly fails the run.

    Use `add_upstream_node` to make the components that need valid examples wait for
    this one.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)
