"""What the Trainer's step does on Kubeflow when several pods train.

The step's own pod trains nothing: it puts the examples where the others find them,
has Kubernetes start a job, prints what its chief prints, and takes what it made.
"""

from __future__ import annotations

import contextlib
import glob
import math
import pathlib
import shutil
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msg_modules.common import console
from msg_modules.common.errors import Interrupted, RunError
from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.data import reading
from msg_modules.training import work_dirs
from msg_modules.training.run_fn import read_custom_config
from pipeline.configs import KubeflowConfig
from pipeline.kubeflow import job_objects, kubernetes_api

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

_POLL_SECONDS = 2.0
# An API server that is upgraded is away for minutes, and the job goes on meanwhile.
_PATIENCE_SECONDS = 600.0
# Of the pods that end, beyond the time that they are given.
_MARGIN_SECONDS = 60.0
# Kubernetes gives an interrupted step's pod 30 s.
_HASTE_SECONDS = 20.0


def make_job(
    training: str,
    model: ModelConfig,
    train: TrainConfig,
    settings: dict[str, Any],
    kubeflow: KubeflowConfig,
    attempt: str = "",
) -> dict[str, Any]:
    """The job of a training.

    Args:
      training: A name that no other training has: two jobs that train the same would
        write the same checkpoints.
      model: The networks.
      train: The recipe.
      settings: The Trainer's `custom_config`, as `create_pipeline` makes it.
      kubeflow: What the pods get.
      attempt: What tells this attempt of the step from others.

    Returns:
      The object for Kubernetes.
    """
    name = f"msg-gan-{training}"
    words = job_objects.command(
        str(_staging(kubeflow, name, attempt)),
        settings["checkpoint_root"],
        settings["weights_code"],
        model,
        train,
    )
    return job_objects.build(
        name, words, train.workers or 1, kubeflow, attempt, kubernetes_api.own_pod()
    )


def run_fn(fn_args: FnArgs) -> None:
    """Has a job train, and takes what it made.

    A job of the same training that is there already is one that an earlier attempt,
    or an interrupted run, left behind: it is removed, its workers save, and the new
    one goes on from there.

    Args:
      fn_args: As for `msg_modules.training.run_fn`, with a `KubeflowConfig` as
        `kubeflow` in `custom_config`.

    Raises:
      ConfigError: If the settings do not fit.
      RunError: If the job fails, with its worker's own words, or Kubernetes does not
        do what it is asked for.
    """
    settings = fn_args.custom_config
    model, train = read_custom_config(fn_args)
    kubeflow = KubeflowConfig(**settings["kubeflow"])
    training = work_dirs.name_of(
        work_dirs.describe(
            model,
            train,
            reading.load_pyramids(fn_args.train_files),
            settings["weights_code"],
        )
    )
    attempt = uuid.uuid4().hex
    job = make_job(training, model, train, settings, kubeflow, attempt)
    name = job["metadata"]["name"]
    staging = _staging(kubeflow, name, attempt)
    jobs = kubernetes_api.Jobs(kubeflow.job_kind)
    if jobs.get(name):
        console.say(f"  removing the job {name} of an earlier attempt")
        _remove(jobs, name, job_objects.GRACE_SECONDS + _MARGIN_SECONDS)
    with _staged(fn_args.train_files, staging), _started(jobs, job):
        _Watch(jobs, name, attempt).to_the_end()
        output = staging / "output"
        for made, target in (
            ("model", fn_args.serving_model_dir),
            ("run", fn_args.model_run_dir),
        ):
            shutil.copytree(output / made, target, dirs_exist_ok=True)


def _staging(kubeflow: KubeflowConfig, name: str, attempt: str) -> pathlib.Path:
    return pathlib.Path(kubeflow.mount_path) / "jobs" / name / attempt


@contextlib.contextmanager
def _staged(patterns: list[str], staging: pathlib.Path) -> Iterator[None]:
    """Has the examples on the volume: the step's own disk is seen by no other pod."""
    # Of attempts whose job is gone, and that were killed before they could do this.
    shutil.rmtree(staging.parent, ignore_errors=True)
    try:
        (staging / "examples").mkdir(parents=True)
        for pattern in patterns:
            for path in glob.glob(pattern):
                shutil.copy(path, staging / "examples")
        yield
    finally:
        # Workers that have not ended yet may still write to it.
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):
            staging.parent.rmdir()  # unless another run is there


@contextlib.contextmanager
def _started(jobs: kubernetes_api.Jobs, job: dict[str, Any]) -> Iterator[None]:
    """Has the job run, and removes it in any case."""
    name, attempt = job["metadata"]["name"], _attempt(job)
    patience = job_objects.GRACE_SECONDS + _MARGIN_SECONDS
    try:
        jobs.create(job)
        yield
    except Interrupted:
        console.say(f"  removing the job {name}; its workers save")
        patience = _HASTE_SECONDS
        raise
    finally:
        try:
            there = jobs.get(name)
            if there and _attempt(there) == attempt:
                _remove(jobs, name, patience)
        except RunError as e:
            console.warn(f"The job {name} may be left behind: {e}")


def _attempt(job: dict[str, Any]) -> str | None:
    return job["metadata"].get("annotations", {}).get(job_objects.ATTEMPT_ANNOTATION)


def _remove(jobs: kubernetes_api.Jobs, name: str, patience: float) -> None:
    """Removes a job and waits for the end of its pods."""
    jobs.delete(name)
    deadline = time.monotonic() + patience
    while jobs.get(name):
        if time.monotonic() > deadline:
            raise RunError(
                f"The job {name} is not gone {patience:g} s after it was deleted; see"
                f" `kubectl describe` of it, and run this step again."
            )
        time.sleep(_POLL_SECONDS / 10)


class _Watch:
    """Looks at a job until it has ended, and tells of it."""

    def __init__(self, jobs: kubernetes_api.Jobs, name: str, attempt: str):
        self._jobs = jobs
        self._name = name
        self._attempt = attempt
        self._told = ""
        # Pods are removed before their job is called failed.
        self._failures: dict[str, kubernetes_api.Failure] = {}
        self._last_line = ""
        self._last_look: float | None = None

    def to_the_end(self) -> None:
        """Returns when the job has succeeded.

        Raises:
          RunError: If it has failed or is gone, or Kubernetes does not answer for
            long.
        """
        answered = time.monotonic()
        while True:
            try:
                if self._look():
                    return
                answered = time.monotonic()
            except kubernetes_api.Unreachable:
                if time.monotonic() - answered > _PATIENCE_SECONDS:
                    raise
            time.sleep(_POLL_SECONDS)

    def _look(self) -> bool:
        job = self._jobs.get(self._name)
        if job is None or _attempt(job) != self._attempt:
            raise RunError(
                f"The job {self._name} was deleted, or replaced by that of another run"
                " with the same settings; run this step again: it resumes from the"
                " last checkpoint."
            )
        outcome, message = job_objects.outcome(job)
        pods = self._jobs.pods(self._name)
        states = {worker: kubernetes_api.state(pod) for worker, pod in pods.items()}
        self._tell(", ".join(f"worker {w} {states[w]}" for w in sorted(states)))
        for worker, pod in pods.items():
            if found := kubernetes_api.failure(worker, pod):
                self._failures[found.text] = found
        if 0 in pods:
            self._tell_log(pods[0])
        if outcome == "failed":
            seen = sorted(self._failures.values(), key=lambda failure: failure.when)
            reasons = "; ".join(f.text for f in seen) or message
            raise RunError(f"The job {self._name} failed. {reasons}")
        return outcome == "succeeded"

    def _tell(self, states: str) -> None:
        if states != self._told:
            self._told = states
            console.say(f"  job {self._name}: {states or 'no pods'}")

    def _tell_log(self, chief: Any) -> None:
        now = time.monotonic()
        back = None if self._last_look is None else math.ceil(now - self._last_look) + 5
        for stamp, line in self._jobs.log(chief, back):
            if stamp > self._last_line:
                self._last_line = stamp
                console.say(line)
        self._last_look = now
