from __future__ import annotations

import dataclasses

import pytest
from specs import FASHION
from tfx.types import standard_artifacts

from msg_modules.common.errors import RunError
from msg_modules.data.dataset_spec import DatasetSpec

BOOTS = DatasetSpec("boots:1.0.0", FASHION, "28x28 grayscale", 3, ("écru", "black"))


@pytest.mark.parametrize(
    "spec",
    [BOOTS, dataclasses.replace(BOOTS, num_classes=None, class_names=())],
    ids=["labels", "no labels"],
)
def test_an_artifact_carries_it(spec: DatasetSpec) -> None:
    artifact = standard_artifacts.Schema()
    spec.attach(artifact)
    assert DatasetSpec.of(artifact) == spec


def test_an_artifact_without_it_is_named() -> None:
    artifact = standard_artifacts.Schema()
    artifact.uri = "minio://bucket/schema"
    with pytest.raises(RunError, match="'minio://bucket/schema' does not say"):
        DatasetSpec.of(artifact)


def test_a_class_without_a_name_has_its_number() -> None:
    assert BOOTS.label_names == ("écru", "black", "2")
    assert dataclasses.replace(BOOTS, num_classes=None).label_names == ()
