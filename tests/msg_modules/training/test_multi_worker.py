"""Two worker processes: they train like one, and outlive each other."""

from __future__ import annotations

import pathlib
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from worker_job import WorkerJob

from msg_modules.gan.step import METRICS
from msg_modules.generator import sampling
from msg_modules.training import reporting

pytestmark = pytest.mark.slow

SHORT, LONG = 6, 60


@pytest.fixture(scope="module")
def examples(
    trained: Any,
    write_examples: Callable,
    tmp_path_factory: pytest.TempPathFactory,
) -> pathlib.Path:
    """The images of `trained`, as Transform writes them."""
    directory = tmp_path_factory.mktemp("examples") / "Split-train"
    write_examples(
        directory / "examples-00000-of-00001.gz", trained.examples.pyramid(slice(None))
    )
    return directory


@pytest.fixture(scope="module")
def command(trained: Any, examples: pathlib.Path) -> Callable:
    """A function (job, steps) -> the recipe of `trained`, half of a batch each."""
    recipe = trained.recipe

    def arguments(job: WorkerJob, steps: int) -> list[str]:
        flags = {
            "examples": examples,
            "output": job.output / str(steps),
            "model.latent-dim": trained.model.latent_dim,
            "train.steps": steps,
            "train.batch-size": recipe.batch_size // 2,
            "train.beta-1": recipe.beta_1,
            "train.r1-gamma": recipe.r1_gamma,
            "train.penalty-interval": recipe.penalty_interval,
            "train.ema-half-life": recipe.ema_half_life,
            "train.seed": recipe.seed,
            "train.report-every": recipe.report_every,
            "train.checkpoint-every": recipe.checkpoint_every,
        }
        words = [word for k, v in flags.items() for word in (f"--{k}", str(v))]
        # As `trained`, whose images have no labels.
        return ["train", "--model.no-conditional", *words]

    return arguments


@pytest.fixture(scope="module")
def undisturbed(
    command: Callable, tmp_path_factory: pytest.TempPathFactory
) -> WorkerJob:
    """A job that trains as long as `trained`, and then once more, for longer."""
    job = WorkerJob(tmp_path_factory.mktemp("undisturbed"))
    job.run([command(job, SHORT), command(job, LONG)])
    assert job.statuses == [[0], [0]], job.logs
    return job


def _checkpoint(directory: pathlib.Path, step: int) -> dict[str, np.ndarray]:
    """The numbers in a checkpoint, as TensorFlow's reader finds them."""
    reader = tf.train.load_checkpoint(str(directory / "checkpoints" / f"ckpt-{step}"))
    arrays = {
        name: np.asarray(reader.get_tensor(name))
        for name in reader.get_variable_to_shape_map()
    }
    return {
        name: array
        for name, array in arrays.items()
        # How often a checkpoint was written depends on how often one was restored.
        if array.dtype.kind in "fiu" and not name.startswith("save_counter")
    }


def _run(job: WorkerJob, steps: int) -> pathlib.Path:
    return job.output / str(steps) / "run"


def test_two_workers_train_like_one_process_with_the_same_global_batch(
    trained: Any, undisturbed: WorkerJob
):
    # Differences in rounding grow tenfold with each step; this is the first checkpoint.
    seen = _checkpoint(_run(undisturbed, SHORT), 3)
    wanted = _checkpoint(trained.directory, 3)

    assert seen.keys() == wanted.keys()
    for name, array in wanted.items():
        # As a norm, and moments with more room: see test_training.py.
        distance = np.linalg.norm(seen[name].astype(float) - array)
        tolerance = 0.2 if "optimizer" in name else 0.02
        assert distance <= tolerance * np.linalg.norm(array) + 1e-8, name
    lines = reporting.read_stats(_run(undisturbed, SHORT))
    others = reporting.read_stats(trained.directory)
    assert len(lines) == len(others)
    for line, other in zip(lines[:1], others[:1], strict=True):
        assert (line["step"], line["images"]) == (other["step"], other["images"])
        # Of gradients it is the mean of each replica's own norm.
        for name in (m for m in METRICS if not m.endswith("gradient_norm")):
            assert line[name] == pytest.approx(other[name], rel=1e-3)


def test_only_the_chief_writes_and_speaks(undisturbed: WorkerJob):
    assert undisturbed.log(1, "stdout") == ""
    assert "images/s" in undisturbed.log(0, "stdout")
    for steps in (SHORT, LONG):
        assert len(list(_run(undisturbed, steps).glob("tensorboard/events*"))) == 1
        assert (_run(undisturbed, steps) / "sheet.png").exists()
        assert (undisturbed.output / str(steps) / "model" / "saved_model.pb").exists()
        lines = reporting.read_stats(_run(undisturbed, steps))
        assert [line["step"] for line in lines] == list(range(2, steps + 1, 2))
    assert list(undisturbed.scratch.iterdir()) == []


def test_a_job_whose_workers_are_killed_ends_where_the_undisturbed_one_ended(
    command: Callable, undisturbed: WorkerJob, tmp_path: pathlib.Path
):
    job = WorkerJob(tmp_path)

    job.run([command(job, LONG)], kill=[1, 0])

    for worker in (0, 1):
        # Once it was killed, and once it lost the other and ended by itself.
        assert {-signal.SIGKILL, 1, 0} == set(job.statuses[worker]), job.logs
        assert "lost another process in TF_CONFIG" in job.log(worker, "stderr")
        assert "rerun the same command" in job.log(worker, "stderr")
    assert job.log(0, "stdout").count("resuming from step") >= 2, job.logs
    wanted = _checkpoint(_run(undisturbed, LONG), LONG)
    seen = _checkpoint(_run(job, LONG), LONG)
    assert seen.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(seen[name], array, err_msg=name)
    # The generators that they exported draw the same.
    images = [
        sampling.load_generator(path.parent / "model").sample(4, seed=1)
        for path in (_run(job, LONG), _run(undisturbed, LONG))
    ]
    for one, other in zip(*images, strict=True):
        np.testing.assert_array_equal(one, other)
