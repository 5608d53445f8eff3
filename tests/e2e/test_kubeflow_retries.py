"""Steps that are killed half-way, and started again as Kubeflow Pipelines does."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import signal
import time
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from kfp_emulation import TASK_API, Cluster, StepServer, records

from msg_modules.generator import sampling
from msg_modules.training import reporting

pytestmark = pytest.mark.slow

STEPS = 200


@pytest.fixture
def cluster(ended_run: Cluster) -> Cluster:
    """A run that goes on without ML Metadata, to try some steps with objects there."""
    return ended_run.copied(TASK_API)


def _outputs(cluster: Cluster, request: dict[str, Any]) -> list[pathlib.Path]:
    """Where the step's pod has its outputs."""
    artifacts = request["outputs"]["artifacts"]
    return [
        cluster.local_path(entry["artifacts"][0]["uri"])
        for key, entry in artifacts.items()
        if key != "executor-logs"
    ]


def _files(directory: pathlib.Path) -> set[str]:
    return {
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_file()
    }


def _train(cluster: Cluster, stop: bool) -> pathlib.Path:
    """Runs the Trainer, stopped once or not; the directory of its outputs."""
    request = cluster.prepare("Trainer")
    pid = cluster.start("Trainer", request)
    if stop:
        while not re.search(r"step +\d", cluster.output):
            time.sleep(0.05)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGTERM)
        stopped = cluster.finish("Trainer", request)
        assert stopped.status == 143, stopped.output
        for output in _outputs(cluster, request):
            output.mkdir(exist_ok=True)
            (output / "left.behind").write_text("by an attempt before")
        cluster.start("Trainer", request)
    ended = cluster.finish("Trainer", request)
    assert ended.status == 0, ended.output
    assert ("resuming from step" in ended.output) == stop
    run, model = (cluster.stored("Trainer", key) for key in ("model_run", "model"))
    assert run.parent == model.parent
    return model.parent


def _logged(run: pathlib.Path) -> list[int]:
    """The steps of which TensorBoard has the generator's loss."""
    steps = [
        event.step
        for path in run.glob("tensorboard/events*")
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "generator_loss"
    ]
    return sorted(steps)


def test_a_training_killed_and_retried_ends_as_one_that_was_not(
    cluster: Cluster, volume: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "parameters", {"train_steps": STEPS, "seed": 7})
    retried = _train(cluster, stop=True)
    # The other one shall not go on from there.
    shutil.rmtree(volume / "checkpoints")
    undisturbed = _train(cluster, stop=False)

    drawn = [
        sampling.load_generator(root / "model" / "Format-Serving").sample(9, seed=3)
        for root in (retried, undisturbed)
    ]
    for one, other in zip(*drawn, strict=True):
        np.testing.assert_array_equal(one, other)

    runs = [root / "model_run" for root in (retried, undisturbed)]
    one, other = (
        {name for name in _files(run) if not name.startswith(("checkp", "tensorb"))}
        for run in runs
    )
    assert one == other
    for name in one - {"stats.jsonl", "losses.png"}:
        assert (runs[0] / name).read_bytes() == (runs[1] / name).read_bytes(), name
    reported = list(range(2, STEPS + 1, 2))
    for run in runs:
        assert [line["step"] for line in reporting.read_stats(run)] == reported
        assert _logged(run) == reported
    losses = [
        np.array([line["generator_loss"] for line in reporting.read_stats(run)])
        for run in runs
    ]
    # The mean of a report begins anew where the training was gone on with.
    assert np.sum(losses[0] != losses[1]) <= 1


@pytest.mark.parametrize(
    ("step", "examples"),
    [("TfdsExampleGen", "examples"), ("Transform", "transformed_examples")],
)
def test_a_step_killed_half_way_and_retried_leaves_what_one_run_leaves(
    cluster: Cluster, step: str, examples: str
) -> None:
    undisturbed = {key: cluster.stored(step, key) for key in cluster.artifacts[step]}
    request = cluster.prepare(step)
    outputs = _outputs(cluster, request)
    pid = cluster.start(step, request)
    while not any(output.is_dir() and any(output.iterdir()) for output in outputs):
        os.kill(pid, 0)
    os.kill(pid, signal.SIGKILL)
    assert cluster.finish(step, request).status == -signal.SIGKILL
    assert any(any(output.iterdir()) for output in outputs)

    cluster.start(step, request)
    ended = cluster.finish(step, request)
    assert ended.status == 0, ended.output
    for key, once in undisturbed.items():
        if once.exists():
            assert _files(cluster.stored(step, key)) == _files(once), key
    assert records(cluster.stored(step, examples)) == records(undisturbed[examples])


def test_a_pusher_killed_and_retried_pushes_once(
    cluster: Cluster,
    server: StepServer,
    volume: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serving = volume / "pushed-once"
    monkeypatch.setattr(cluster, "parameters", {"serving_dir": str(serving)})
    request = cluster.prepare("Pusher")
    pid = cluster.start("Pusher", request)
    while not (serving.exists() and any(serving.iterdir())):
        os.kill(pid, 0)
    with contextlib.suppress(ProcessLookupError):  # It was quicker.
        os.kill(pid, signal.SIGKILL)
    server.status()
    cluster.start("Pusher", request)
    assert server.status() == 0
    # Killed after all was done, before the launcher has said so.
    cluster.start("Pusher", request)
    assert cluster.finish("Pusher", request).status == 0
    (version,) = serving.iterdir()
    assert version.name.isdecimal()
    pushed = cluster.artifacts["Pusher"]["pushed_model"]["metadata"]
    assert pushed["pushed_version"] == version.name
    assert len(sampling.load_generator(version).sample(1, seed=1)) == 3
