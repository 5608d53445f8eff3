"""Runs that another version of Python and TFX has written.

With RUNS_DIR set, they leave a run in that directory and go on with those that other
versions have left there.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import sys

import numpy as np
import pytest
from local_pipeline import Pipeline

from msg_modules.generator import sampling
from pipeline.local import command

_RUNS = pathlib.Path(os.environ.get("RUNS_DIR", "no such directory")).absolute()
_OWN = _RUNS / "python-{}.{}".format(*sys.version_info)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("RUNS_DIR" not in os.environ, reason="needs RUNS_DIR"),
]


@pytest.fixture(params=sorted(_RUNS.glob("python-*")), ids=lambda path: path.name)
def other(request: pytest.FixtureRequest) -> pathlib.Path:
    """What one of the versions has left."""
    if request.param == _OWN:
        pytest.skip("this version's own run")
    return request.param


def _pipeline(directory: pathlib.Path) -> Pipeline:
    return Pipeline(directory / "root", directory / "data")


def _sample(directory: pathlib.Path) -> dict[str, np.ndarray]:
    generator = sampling.load_generator(directory / "root" / "serving")
    scales = generator.sample(4, seed=1)
    return {f"image_{scale.shape[1]}": scale for scale in scales}


def test_this_version_leaves_a_run(garments_dir: pathlib.Path) -> None:
    if not _OWN.exists():
        shutil.copytree(garments_dir, _OWN / "data")
        assert command.main(_pipeline(_OWN).flags) == 0
        np.savez(_OWN / "sample.npz", **_sample(_OWN))


def test_a_pushed_generator_gives_the_same_images(other: pathlib.Path) -> None:
    with np.load(other / "sample.npz") as theirs:
        for name, images in _sample(other).items():
            np.testing.assert_allclose(images, theirs[name], atol=1e-5)


def test_a_run_goes_on_from_its_metadata_and_checkpoint(
    other: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _pipeline(other).run(capsys, "--train.steps", "9")
    assert run.status == 0, run.error
    # Steps that the libraries do are repeated with these libraries.
    assert run.outcomes["TfdsExampleGen"] == "cache hit"
    assert "resuming from step 6 of 9" in run.output
    assert run.outcomes["Pusher"] == "done"
