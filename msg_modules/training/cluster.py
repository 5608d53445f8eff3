"""Parses `TF_CONFIG`: the cluster, and this process's role in it.

Nothing here imports TensorFlow, so that a command can reject a bad `TF_CONFIG`
before it loads anything.
"""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

from msg_modules.common.errors import ConfigError

_VARIABLE = "TF_CONFIG"
# The jobs that train. A TFJob can have others, which this project does not use.
_JOBS = ("chief", "worker")
_REMEDY = (
    "a Kubeflow TFJob sets it; to set it by hand, use"
    ' {"cluster": {"worker": ["HOST:PORT", ...]},'
    ' "task": {"type": "worker", "index": 0}}'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes of a distributed training, and this one's role."""

    job: str
    """`chief` or `worker`."""

    index: int
    """Index of this process in its job."""

    addresses: tuple[str, ...]
    """`HOST:PORT` of every process, the chief's first."""

    has_chief: bool
    """Whether there is a job `chief`; otherwise, worker 0 is the chief."""

    @property
    def is_chief(self) -> bool:
        """Whether this process writes checkpoints and outputs."""
        return self.job == "chief" or (not self.has_chief and self.index == 0)

    @property
    def name(self) -> str:
        """Name of the process in messages."""
        return self.job if self.job == "chief" else f"{self.job} {self.index}"


def find(strategy: str, workers: int | None = None) -> Cluster | None:
    """Finds the cluster that this process belongs to, if any.

    Args:
      strategy: `train.strategy`. `multi_worker` requires `TF_CONFIG`; `auto` uses it
        if it names several processes.
      workers: `train.workers`, the required number of processes.

    Returns:
      The cluster, or None if this process trains alone.

    Raises:
      ConfigError: If `TF_CONFIG` is missing or invalid, does not name `workers`
        processes, or names several with a strategy that would train each alone.
    """
    cluster = _find(strategy)
    named = len(cluster.addresses) if cluster else 1
    if workers not in (None, named):
        raise ConfigError(
            f"train.workers is {workers} but this process is one of {named} according"
            f" to {_VARIABLE}; {_REMEDY}."
        )
    return cluster


def _find(strategy: str) -> Cluster | None:
    text = os.environ.get(_VARIABLE, "")
    if not text.strip():
        if strategy == "multi_worker":
            raise ConfigError(
                f"train.strategy is 'multi_worker' but {_VARIABLE} is not set;"
                f" {_REMEDY}."
            )
        return None
    cluster = _parse(text)
    if strategy == "multi_worker":
        if cluster is None:
            raise _wrong(text, "it must name a cluster")
        return cluster
    if cluster is None or len(cluster.addresses) == 1:
        return None
    if strategy != "auto":
        raise ConfigError(
            f"train.strategy is {strategy!r} but {_VARIABLE} names"
            f" {len(cluster.addresses)} processes, which would each train alone; use"
            f" --train.strategy multi_worker, or unset {_VARIABLE}."
        )
    return cluster


def _parse(text: str) -> Cluster | None:
    """Parses `TF_CONFIG`; None if it has no cluster, as on a single machine."""
    try:
        config = json.loads(text)
    except json.JSONDecodeError as e:
        raise _wrong(text, f"it must be JSON ({e})") from e
    if not isinstance(config, dict):
        raise _wrong(text, "it must be a JSON object")
    jobs = config.get("cluster")
    if not jobs:
        return None
    if not isinstance(jobs, dict) or set(jobs) - set(_JOBS):
        raise _wrong(text, "its cluster can only have the jobs `chief` and `worker`")
    if not all(_is_list_of_addresses(addresses) for addresses in jobs.values()):
        raise _wrong(text, "each job of its cluster must be a list of HOST:PORT")
    if len(jobs.get("chief", ["one"])) != 1:
        raise _wrong(text, "its cluster can have at most one chief")
    task = config.get("task")
    if not isinstance(task, dict) or task.get("type") not in jobs:
        raise _wrong(text, "its task must have a type that is a job of its cluster")
    index = _to_int(task.get("index"))
    if index is None or not 0 <= index < len(jobs[task["type"]]):
        raise _wrong(text, "its task must have an index within its job's addresses")
    return Cluster(
        job=task["type"],
        index=index,
        addresses=tuple(a for job in _JOBS for a in jobs.get(job, [])),
        has_chief="chief" in jobs,
    )


def _is_list_of_addresses(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(a, str)
            and a.rpartition(":")[0]
            and a.rpartition(":")[2].isdigit()
            for a in value
        )
    )


def _to_int(value: Any) -> int | None:
    # TensorFlow also accepts the index as a string.
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    return int(value) if str(value).isdecimal() else None


def _wrong(text: str, wanted: str) -> ConfigError:
    return ConfigError(f"{_VARIABLE} is {text!r}; {wanted}; {_REMEDY}.")
