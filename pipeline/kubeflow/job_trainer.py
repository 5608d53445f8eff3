"""The Trainer's step on Kubeflow when training runs on several pods.

The step's own pod does not train: it stages the examples on the volume, creates a
Kubernetes job, streams the chief's log, and collects the outputs.
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
from msg_modules.training import retraining, work_dirs
from msg_modules.training.run_fn import load_training_data, read_custom_config
from pipeline.kubeflow import job_objects, job_pods, kubernetes_api
from pipeline.kubeflow.configs import KubeflowConfig

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

_POLL_SECONDS = 2.0
# An API server upgrade can take minutes, while the job keeps running.
_PATIENCE_SECONDS = 600.0
# Extra time for pods to terminate, beyond their grace period.
_MARGIN_SECONDS = 60.0
# Kubernetes kills an interrupted step's pod after 30 s.
_HASTE_SECONDS = 20.0


def make_job(
    training: str,
    model: ModelConfig,
    train: TrainConfig,
    settings: dict[str, Any],
    kubeflow: KubeflowConfig,
    attempt: str = "",
) -> dict[str, Any]:
    """Builds the job of a training.

    Args:
      training: Identifies the training. It becomes part of the job's name, so that two
        jobs cannot write the same checkpoints at once.
      model: Network settings.
      train: Training settings.
      settings: The Trainer's `custom_config`, as created by `create_pipeline`.
      kubeflow: Settings of the pods.
      attempt: Identifies this attempt of the step.

    Returns:
      The Kubernetes object as JSON.
    """
    name = f"msg-gan-{training}"
    words = job_objects.command(
        str(_staging(kubeflow, name, attempt)),
        settings["checkpoint_root"],
        settings["serving_dir"],
        settings["weights_code"],
        model,
        train,
        settings["class_names"],
    )
    return job_objects.build(
        name, words, train.workers or 1, kubeflow, attempt, kubernetes_api.own_pod()
    )


def run_fn(fn_args: FnArgs) -> None:
    """Trains in a job and collects its outputs.

    An existing job of the same training was left behind by an earlier attempt or an
    interrupted run: it is deleted, its workers save a checkpoint, and the new job
    resumes from it.

    Args:
      fn_args: As for `msg_modules.training.run_fn`, with the fields of a
        `KubeflowConfig` as `kubeflow` in `custom_config`.

    Raises:
      ConfigError: If the settings are invalid.
      RunError: If the job fails, with its workers' error messages, or if Kubernetes
        refuses a request or does not answer.
    """
    settings = fn_args.custom_config
    model, train = read_custom_config(fn_args)
    kubeflow = KubeflowConfig(**settings["kubeflow"])
    images, classes = load_training_data(
        model, fn_args.train_files, settings["class_names"]
    )
    identity = work_dirs.describe(
        model,
        train,
        images,
        settings["weights_code"],
        len(classes),
        (train.workers or 1) * max(1, kubeflow.accelerator_count),
    )
    if train.starts_from_served:
        # The workers settle it, too: here, it is for the job's name.
        _, identity = retraining.settle(
            train, identity, settings["serving_dir"], settings["checkpoint_root"]
        )
    attempt = uuid.uuid4().hex
    job = make_job(
        work_dirs.name_of(identity), model, train, settings, kubeflow, attempt
    )
    name = job["metadata"]["name"]
    staging = _staging(kubeflow, name, attempt)
    jobs = kubernetes_api.Jobs(kubeflow.job_kind)
    if jobs.get(name):
        console.say(f"  deleting job {name} of an earlier attempt")
        _remove(jobs, name, job_pods.GRACE_SECONDS + _MARGIN_SECONDS)
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
    """Copies the examples to the volume: other pods cannot see the step's own disk."""
    # Left by attempts that were killed before they could clean up.
    shutil.rmtree(staging.parent, ignore_errors=True)
    try:
        (staging / "examples").mkdir(parents=True)
        for pattern in patterns:
            for path in glob.glob(pattern):
                shutil.copy(path, staging / "examples")
        yield
    finally:
        # Workers that are still terminating may write to it.
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):
            staging.parent.rmdir()  # Fails if another run uses it.


@contextlib.contextmanager
def _started(jobs: kubernetes_api.Jobs, job: dict[str, Any]) -> Iterator[None]:
    """Creates the job, and deletes it at the end in any case."""
    name, attempt = job["metadata"]["name"], _attempt(job)
    patience = job_pods.GRACE_SECONDS + _MARGIN_SECONDS
    try:
        jobs.create(job)
        yield
    except Interrupted:
        console.say(f"  deleting job {name}; its workers save a checkpoint")
        patience = _HASTE_SECONDS
        raise
    finally:
        try:
            there = jobs.get(name)
            if there and _attempt(there) == attempt:
                _remove(jobs, name, patience)
        except RunError as e:
            console.warn(f"Job {name} may not have been deleted: {e}")


def _attempt(job: dict[str, Any]) -> str | None:
    return job["metadata"].get("annotations", {}).get(job_objects.ATTEMPT_ANNOTATION)


def _remove(jobs: kubernetes_api.Jobs, name: str, patience: float) -> None:
    """Deletes a job and waits until its pods have terminated."""
    jobs.delete(name)
    deadline = time.monotonic() + patience
    while jobs.get(name):
        if time.monotonic() > deadline:
            raise RunError(
                f"Job {name} still exists {patience:g} s after it was deleted; check it"
                f" with `kubectl describe`, and rerun this step."
            )
        time.sleep(_POLL_SECONDS / 10)


class _Watch:
    """Polls a job until it has finished, and reports its progress."""

    def __init__(self, jobs: kubernetes_api.Jobs, name: str, attempt: str):
        self._jobs = jobs
        self._name = name
        self._attempt = attempt
        self._told = ""
        # Kept because pods may be deleted before the job is marked as failed.
        self._failures: dict[str, kubernetes_api.Failure] = {}
        self._last_line = ""
        self._last_look: float | None = None

    def to_the_end(self) -> None:
        """Returns once the job has succeeded.

        Raises:
          RunError: If the job has failed or was deleted, or the API server has been
            unreachable for `_PATIENCE_SECONDS`.
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
                f"Job {self._name} was deleted, or replaced by that of another run with"
                " the same settings; rerun this step to resume from the last"
                " checkpoint."
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
            raise RunError(f"Job {self._name} failed. {reasons}")
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
