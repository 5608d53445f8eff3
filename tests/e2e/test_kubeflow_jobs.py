"""The Trainer's step on Kubeflow, when it has several pods train."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes as kubernetes_client
import numpy as np
import pytest
import tensorflow as tf
from kfp_emulation import ML_METADATA, TASK_API, Cluster, Ended, Generation
from kubernetes_server import Kubernetes, warm_up

from msg_modules.common.errors import RunError
from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.gan.step import METRICS
from msg_modules.generator import sampling
from msg_modules.training import reporting, run_fn
from pipeline.kubeflow import command, job_trainer
from pipeline.kubeflow.configs import KubeflowConfig

SIZES = (7, 14, 28)
KINDS = ["jobset", "trainjob", "tfjob"]


@pytest.fixture
def kubernetes(
    kubeconfig: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Kubernetes]:
    monkeypatch.setattr(
        kubernetes_client.config.kube_config,
        "KUBE_CONFIG_DEFAULT_LOCATION",
        str(kubeconfig),
    )
    server = Kubernetes(tmp_path, kubeconfig)
    yield server
    server.close()


# The step in this process, with workers that are scripts.

# A worker that does what it is told: `does` is Python, and `output`, `index` and
# `marks`, a directory, are known to it.
_SCRIPT = """
import json, pathlib, signal, sys, time
marks = pathlib.Path({marks!r})
index = json.loads({index!r})
arguments = dict(zip(sys.argv[2::2], sys.argv[3::2]))
output = pathlib.Path(arguments["--output"])
def make(text):
    for name in ("model", "run"):
        (output / name).mkdir(parents=True, exist_ok=True)
        (output / name / "made").write_text(text)
{does}
"""


class Script:
    """A container whose process runs a script instead of its command."""

    def __init__(
        self,
        does: str,
        marks: pathlib.Path,
        words: list[str],
        environment: dict[str, str],
        log: str,
    ):
        assert words[:2] == ["msg-gan", "train"]
        index = str(json.loads(environment["TF_CONFIG"])["task"]["index"])
        code = _SCRIPT.format(marks=str(marks), index=index, does=does)
        with open(log, "w") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-c", code, *words[1:]],
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def status(self) -> int | None:
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def signal(self, number: int) -> None:
        self._process.send_signal(number)


@pytest.fixture
def workers_do(kubernetes: Kubernetes, tmp_path: pathlib.Path) -> Callable[[str], None]:
    """A function that says what the workers do, in Python."""

    def do(does: str) -> None:
        kubernetes.make_container = lambda *rest: Script(does, tmp_path, *rest)

    return do


@pytest.fixture
def step(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """A function that is the Trainer's step; it takes fields of `KubeflowConfig`."""
    monkeypatch.setattr(job_trainer, "_POLL_SECONDS", 0.05)
    examples = tmp_path / "artifact" / "Split-train" / "examples-00000-of-00001.gz"
    examples.parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(examples), "GZIP") as writer:
        features = {
            f"image_{size}": tf.train.Feature(
                float_list=tf.train.FloatList(value=[1.0] * size * size)
            )
            for size in SIZES
        }
        example = tf.train.Example(features=tf.train.Features(feature=features))
        writer.write(example.SerializeToString())

    def run(**fields: Any) -> None:
        config = KubeflowConfig(mount_path=str(tmp_path / "volume"), **fields)
        settings = run_fn.to_custom_config(ModelConfig(), TrainConfig(workers=2))
        job_trainer.run_fn(
            types.SimpleNamespace(
                custom_config={
                    **settings,
                    "checkpoint_root": str(tmp_path / "volume" / "checkpoints"),
                    "serving_dir": str(tmp_path / "volume" / "serving"),
                    "weights_code": "0",
                    # As it comes out of JSON.
                    "kubeflow": json.loads(json.dumps(dataclasses.asdict(config))),
                },
                train_steps=10,
                train_files=[f"{examples.parent}/*"],
                serving_model_dir=str(tmp_path / "model"),
                model_run_dir=str(tmp_path / "run"),
            )
        )

    return run


def _nothing_is_left(kubernetes: Kubernetes, tmp_path: pathlib.Path) -> bool:
    staged = tmp_path / "volume" / "jobs"
    return not kubernetes.jobs and not list(staged.glob("*"))


def test_the_workers_find_the_examples_and_the_step_takes_what_they_made(
    kubernetes: Kubernetes,
    workers_do: Callable,
    step: Callable,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    workers_do(
        "print(f'worker {index} begins')\n"
        "time.sleep(1)\n"
        "print(f'worker {index} ends')\n"
        "(examples,) = pathlib.Path(arguments['--examples']).iterdir()\n"
        "if index == 0: make(examples.name)"
    )
    step()
    for directory in ("model", "run"):
        made = tmp_path / directory / "made"
        assert made.read_text() == "examples-00000-of-00001.gz"
    shown = capsys.readouterr().out
    # Each line once, as it came, and the chief's only.
    assert re.findall("worker . (?:begins|ends)", shown) == [
        "worker 0 begins",
        "worker 0 ends",
    ]
    assert "worker 0 Running, worker 1 Running" in shown
    assert shown.index("Running") < shown.index("worker 0 ends")
    assert _nothing_is_left(kubernetes, tmp_path)


@pytest.mark.parametrize("job_kind", KINDS)
def test_workers_that_fail_are_started_again(
    job_kind: str, kubernetes: Kubernetes, workers_do: Callable, step: Callable
) -> None:
    workers_do(
        "mark = marks / 'failed'\n"
        "if not mark.exists():\n"
        "    if index == 1: mark.touch()\n"
        "    while not mark.exists(): time.sleep(0.05)\n"
        "    sys.exit('error: lost another process')\n"
        "if index == 0: make('it')"
    )
    step(job_kind=job_kind, retries=1)
    assert (kubernetes.directory / "failed").exists()
    assert len(kubernetes.created) == 1


@pytest.mark.parametrize("job_kind", KINDS)
@pytest.mark.parametrize("retries", [0, 1])
def test_a_worker_that_goes_on_failing_fails_the_step_with_its_own_words(
    job_kind: str,
    retries: int,
    kubernetes: Kubernetes,
    workers_do: Callable,
    step: Callable,
    tmp_path: pathlib.Path,
) -> None:
    workers_do(
        "if index == 1: sys.exit('error: the loss became NaN in step 7.')\n"
        "time.sleep(60)"
    )
    with pytest.raises(RunError, match=r"worker 1: the loss became NaN in step 7\."):
        step(job_kind=job_kind, retries=retries)
    assert _nothing_is_left(kubernetes, tmp_path)


def test_a_worker_without_words_is_told_of_with_its_status(
    workers_do: Callable, step: Callable
) -> None:
    workers_do("sys.exit(9)")
    with pytest.raises(RunError, match=r"worker 0: Error, exit status 9"):
        step(retries=0)


def test_a_job_that_an_attempt_left_behind_saves_before_the_next_one_starts(
    kubernetes: Kubernetes,
    workers_do: Callable,
    step: Callable,
    tmp_path: pathlib.Path,
) -> None:
    save = (
        "def save(*_):\n"
        "    time.sleep(0.5)\n"
        "    (marks / f'saved-{index}').touch()\n"
        "    sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "(marks / f'ready-{index}').touch()\n"
        "time.sleep(60)"
    )
    with pytest.raises(RunError):
        workers_do("sys.exit(1)")
        step(retries=0)
    workers_do(save)
    with kubernetes.lock:
        kubernetes.create(kubernetes.created[0])
    while len(list(tmp_path.glob("ready-*"))) < 2:
        time.sleep(0.05)
    workers_do(
        "assert len(list(marks.glob('saved-*'))) == 2\nif index == 0: make('it')"
    )
    step(retries=0)
    assert (tmp_path / "model" / "made").exists()
    assert _nothing_is_left(kubernetes, tmp_path)


def test_a_job_that_another_run_replaced_is_not_removed(
    kubernetes: Kubernetes,
    workers_do: Callable,
    step: Callable,
    tmp_path: pathlib.Path,
) -> None:
    workers_do("time.sleep(60)")

    def replace() -> None:
        while not kubernetes.jobs:
            time.sleep(0.05)
        with kubernetes.lock:
            ((name, job),) = kubernetes.jobs.items()
            job.body["metadata"]["annotations"]["msg-gan/attempt"] = "another"
            (tmp_path / "volume" / "jobs" / name / "another").mkdir()

    thread = threading.Thread(target=replace)
    thread.start()
    with pytest.raises(RunError, match="replaced by that of another run"):
        step()
    thread.join()
    (name,) = kubernetes.jobs
    assert [path.name for path in (tmp_path / "volume" / "jobs" / name).iterdir()] == [
        "another"
    ]


def test_an_api_server_that_comes_back_is_waited_for(
    kubernetes: Kubernetes, workers_do: Callable, step: Callable
) -> None:
    workers_do(
        "while not (marks / 'answered').exists(): time.sleep(0.05)\n"
        "if index == 0: make('it')"
    )

    def be_away() -> None:
        while not kubernetes.jobs:
            time.sleep(0.05)
        kubernetes.refusal = 503
        seen = len(kubernetes.requests)
        while len(kubernetes.requests) < seen + 3:
            time.sleep(0.05)
        kubernetes.refusal = None
        (kubernetes.directory / "answered").touch()

    thread = threading.Thread(target=be_away)
    thread.start()
    step()
    thread.join()


def test_what_kubernetes_refuses_is_told_with_the_remedy(
    kubernetes: Kubernetes, step: Callable, tmp_path: pathlib.Path
) -> None:
    kubernetes.refusal = 403
    with pytest.raises(RunError, match=r"jobsets.*'kubeflow'.*--service-account"):
        step()
    kubernetes.refusal = None
    kubernetes.plurals = ("tfjobs",)
    with pytest.raises(RunError, match=r"no JobSet.*--kubeflow.job-kind tfjob"):
        step()
    kubernetes.plurals = ("jobsets",)
    with pytest.raises(RunError, match=r"no TFJob.*--kubeflow.job-kind jobset"):
        step(job_kind="tfjob")
    with pytest.raises(RunError, match=r"no TrainJob.*--kubeflow.job-kind jobset"):
        step(job_kind="trainjob")
    kubernetes.plurals = ("trainjobs",)
    kubernetes.runtimes.clear()
    with pytest.raises(RunError, match=r'ClusterTrainingRuntime "msg-gan" not found'):
        step(job_kind="trainjob")
    kubernetes.server_close()
    with pytest.raises(RunError, match=r"http://127.0.0.1:\d+ does not answer"):
        step()
    assert not kubernetes.created
    assert not list((tmp_path / "volume" / "jobs").glob("*"))


def test_without_a_cluster_it_says_so(
    step: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        kubernetes_client.config.kube_config,
        "KUBE_CONFIG_DEFAULT_LOCATION",
        "/nowhere/config",
    )
    with pytest.raises(RunError, match="neither a service account"):
        step()


# The step as Kubeflow Pipelines starts it, with workers that train.


@pytest.fixture(scope="module")
def compile_with(
    flags: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., pathlib.Path]:
    """A function that compiles the pipeline with further flags."""

    def compile_with(*more: str) -> pathlib.Path:
        path = tmp_path_factory.mktemp("package") / "pipeline.yaml"
        assert command.main([*flags, *more, "--output", str(path)]) == 0
        return path

    return compile_with


@pytest.fixture(scope="module")
def two_workers(compile_with: Callable) -> pathlib.Path:
    """Two workers with half of the batch each."""
    warm_up()
    return compile_with(
        *("--train.workers", "2", "--train.batch-size", "4", "--kubeflow.retries", "0")
    )


def _checkpoint(run: pathlib.Path, step: int) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(run / "checkpoints" / f"ckpt-{step}"))
    arrays = {
        name: np.asarray(reader.get_tensor(name))
        for name in reader.get_variable_to_shape_map()
    }
    return {
        name: array
        for name, array in arrays.items()
        if array.dtype.kind in "fiu" and not name.startswith("save_counter")
    }


def _run_trainer(cluster: Cluster) -> Ended:
    ended = cluster.run("Trainer")
    assert "Traceback" not in ended.output, ended.output
    return ended


# Generations of KFP differ in what the step sees of its inputs, and that it has read
# before it chooses the kind of job: one kind for each would do.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("job_kind", "generation"),
    [("jobset", TASK_API), ("trainjob", TASK_API), ("tfjob", ML_METADATA)],
)
def test_two_workers_train_what_one_pod_trains(
    job_kind: str,
    generation: Generation,
    cluster: Cluster,
    two_workers: pathlib.Path,
    compile_with: Callable,
    kubernetes: Kubernetes,
    volume: pathlib.Path,
) -> None:
    package = two_workers
    if job_kind != "jobset":
        package = compile_with(
            *("--train.workers", "2", "--train.batch-size", "4"),
            *("--kubeflow.job-kind", job_kind, "--train.checkpoint-dir"),
            str(volume / f"checkpoints-of-{job_kind}"),
        )
    job = cluster.with_package(package).copied(generation)

    ended = _run_trainer(job)

    assert ended.status == 0, ended.output
    one, two = (c.stored("Trainer", "model_run") for c in (cluster, job))
    # The first checkpoint: differences in rounding grow with each step. They are 1e-5,
    # or near 0.1 where rounding puts one activation on the other side of a leaky ReLU's
    # kink; other images or losses divided wrongly make it 1.
    wanted, seen = _checkpoint(one, 2), _checkpoint(two, 2)
    assert seen.keys() == wanted.keys()
    for name, array in wanted.items():
        distance = np.linalg.norm(seen[name].astype(float) - array)
        tolerance, least = (0.3, 1e-8) if "optimizer" in name else (0.1, 1e-3)
        assert distance <= tolerance * np.linalg.norm(array) + least, name
    lines = [reporting.read_stats(run) for run in (one, two)]
    for line, other in zip(*lines, strict=True):
        assert (line["step"], line["images"]) == (other["step"], other["images"])
        for name in (m for m in METRICS if not m.endswith("gradient_norm")):
            assert other[name] == pytest.approx(line[name], rel=1e-3)
    generator = sampling.load_generator(
        next(job.stored("Trainer", "model").glob("**/saved_model.pb")).parent
    )
    assert generator.sample(2, seed=1)[-1].shape == (2, 28, 28, 1)
    assert re.search(r"step +2 ", ended.output)  # The chief's log.
    assert not kubernetes.jobs
    assert not list((volume / "jobs").glob("*"))


@pytest.mark.slow
def test_a_worker_that_fails_fails_the_step_with_its_own_message(
    cluster: Cluster, two_workers: pathlib.Path, kubernetes: Kubernetes
) -> None:
    job = cluster.with_package(two_workers)
    job.parameters = {"batch_size": 1000}
    ended = _run_trainer(job)
    assert ended.status == 1
    last = ended.output.strip().splitlines()[-1]
    assert re.match(r"error: Job \S+ failed\. worker \d: .*100 .*images", last)
    assert not kubernetes.jobs


@pytest.mark.slow
def test_an_interrupted_step_has_the_workers_save_and_the_next_one_goes_on(
    cluster: Cluster, two_workers: pathlib.Path, kubernetes: Kubernetes
) -> None:
    job = cluster.with_package(two_workers).copied(TASK_API)
    job.parameters = {"train_steps": 100_000, "seed": 5}
    request = job.prepare("Trainer")
    pid = job.start("Trainer", request)
    while not re.search(r"step +\d", job.output):
        time.sleep(0.2)
        os.kill(pid, 0)
    (pods,) = (there.pods for there in kubernetes.jobs.values())

    os.kill(pid, signal.SIGTERM)
    ended = job.finish("Trainer", request)

    assert ended.status == 143, ended.output
    assert "Traceback" not in ended.output
    assert not kubernetes.jobs
    printed = pods[0].log_file.read_text()
    # It saved, though it saves every 500 steps or every minute.
    (saved,) = re.findall(r"stopped; step ([\d,]+) is saved", printed)
    kept = int(saved.replace(",", ""))
    assert kept > 0
    job.parameters["train_steps"] = kept + 10
    ended = _run_trainer(job)
    assert ended.status == 0, ended.output
    assert f"resuming from step {kept:,}" in ended.output
