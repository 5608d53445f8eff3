"""A pipeline root that the tests of whole runs share."""

from __future__ import annotations

import pathlib

import pytest
from local_pipeline import Pipeline

from pipeline import local_cli


@pytest.fixture(scope="session")
def pipeline(
    tmp_path_factory: pytest.TempPathFactory, garments_dir: pathlib.Path
) -> Pipeline:
    """A pipeline root on which the command has run once."""
    pipeline = Pipeline(tmp_path_factory.mktemp("pipeline") / "root", garments_dir)
    assert local_cli.main(pipeline.flags) == 0
    return pipeline
