"""Two worker processes: they train like one, and outlive each other."""

from __future__ import annotations

import dataclasses
import pathlib
import signal
from typing import Any

import numpy as np
import pytest
from worker_job import WorkerJob, state

from msg_modules import reporting
from msg_modules.configs import TrainConfig
from msg_modules.gan import METRICS

pytestmark = pytest.mark.slow

LONG = 60


@pytest.fixture(scope="module")
def recipe(trained: Any) -> TrainConfig:
    """The one-process recipe, with half of its batch on each of two workers."""
    return dataclasses.replace(trained.recipe, strategy="auto", batch_size=4)


@pytest.fixture(scope="module")
def undisturbed(
    trained: Any, recipe: TrainConfig, tmp_path_factory: pytest.TempPathFactory
) -> WorkerJob:
    """A job that trains as long as the one process did, and then goes on."""
    job = WorkerJob(tmp_path_factory.mktemp("undisturbed"))
    longer = dataclasses.replace(recipe, steps=LONG)
    statuses = job.run(trained.model, [recipe, longer], trained.pyramids)
    assert statuses == [[0], [0]], job.logs()
    return job


def test_two_workers_train_like_one_process_with_the_same_global_batch(
    trained: Any, undisturbed: WorkerJob
):
    for one, other in zip(
        undisturbed.state(0, trained.recipe.steps),
        undisturbed.state(1, trained.recipe.steps),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    for seen, wanted in zip(
        undisturbed.state(0, trained.recipe.steps), state(trained.gan), strict=True
    ):
        # As a norm: see test_training.py.
        distance = np.linalg.norm(seen - wanted) / (np.linalg.norm(wanted) + 1e-8)
        assert distance < 0.02
    lines = reporting.read_stats(undisturbed.work_dir)[:3]
    for line, wanted in zip(
        lines, reporting.read_stats(trained.directory), strict=True
    ):
        assert (line["step"], line["images"]) == (wanted["step"], wanted["images"])
        for name in METRICS:
            assert line[name] == pytest.approx(wanted[name], rel=1e-3)


def test_only_the_chief_writes_and_speaks(
    trained: Any, undisturbed: WorkerJob, tmp_path: pathlib.Path
):
    assert undisturbed.log(1) == ""
    assert "images/s" in undisturbed.log(0)
    assert undisturbed.checkpoint_steps()[-1] == LONG
    assert len(list(undisturbed.work_dir.glob("tensorboard/events*"))) == 2
    steps = [line["step"] for line in reporting.read_stats(undisturbed.work_dir)]
    assert steps == list(range(2, LONG + 1, 2))


def test_a_killed_worker_is_started_again_and_nothing_is_lost(
    trained: Any, recipe: TrainConfig, undisturbed: WorkerJob, tmp_path: pathlib.Path
):
    job = WorkerJob(tmp_path)
    longer = dataclasses.replace(recipe, steps=LONG)

    statuses = job.run(trained.model, [longer], trained.pyramids, kill=[1, 0])

    # The one that was not killed ends by itself, says why, and is started again.
    assert -signal.SIGKILL in statuses[0], job.logs()
    assert -signal.SIGKILL in statuses[1], job.logs()
    assert 1 in statuses[0], job.logs()
    assert 1 in statuses[1], job.logs()
    for worker in range(2):
        error = job.log(worker, "stderr")
        assert f"The worker {worker} lost another process" in error
        assert "the same command again" in error
    assert job.log(0).count("resuming from step") >= 2
    for worker in range(2):
        for seen, wanted in zip(
            job.state(worker, LONG), undisturbed.state(worker, LONG), strict=True
        ):
            np.testing.assert_array_equal(seen, wanted)
