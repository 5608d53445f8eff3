"""The CheckedStatisticsGen component."""

from __future__ import annotations

from tfx.components.statistics_gen.component import StatisticsGen
from tfx.dsl.components.base import executor_spec

from components.checked_statistics_gen import executor


class CheckedStatisticsGen(StatisticsGen):
    """TFX's StatisticsGen, except that it fails if an examples file was truncated."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
