"""The ImageTransform component."""

from __future__ import annotations

from tfx.components.transform.component import Transform
from tfx.dsl.components.base import executor_spec

from components.image_transform import executor


class ImageTransform(Transform):
    """TFX's Transform, except that the schema tells it which images to make.

    `custom_config` has the fields of `msg_modules.data.preprocessing.Preparation` but
    `spec`, which comes from the schema's `DatasetSpec`.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
