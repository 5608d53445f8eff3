"""Which part of a job of several processes this one is, as `TF_CONFIG` says.

Nothing here imports TensorFlow, so that a command line can refuse what does not
fit before it loads anything.
"""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

from msg_modules.common.errors import ConfigError

_VARIABLE = "TF_CONFIG"
# The jobs that train. A TFJob may have others, which this project does not use.
_JOBS = ("chief", "worker")
_REMEDY = (
    "a TFJob of Kubeflow sets it, and by hand it is"
    ' {"cluster": {"worker": ["HOST:PORT", ...]},'
    ' "task": {"type": "worker", "index": 0}}'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes that train together, and which of them this one is."""

    job: str
    """`chief` or `worker`."""

    index: int
    """Place among the processes of that job."""

    addresses: tuple[str, ...]
    """`HOST:PORT` of every process, the chief's first."""

    has_chief: bool
    """Whether a job `chief` is named; worker 0 is the chief otherwise."""

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.job == "chief" or (not self.has_chief and self.index == 0)

    @property
    def name(self) -> str:
        """The process, as a person calls it."""
        return self.job if self.job == "chief" else f"{self.job} {self.index}"


def find(strategy: str, workers: int | None = None) -> Cluster | None:
    """Finds out whether this process trains together with others.

    Args:
      strategy: `train.strategy`. `multi_worker` needs a `TF_CONFIG`; `auto` takes
        one that names several processes.
      workers: `train.workers`, how many processes there must be.

    Returns:
      The cluster, or None if this process trains alone.

    Raises:
      ConfigError: If `TF_CONFIG` is missing or damaged, names another number of
        processes, or several that the strategy would let train each on its own.
    """
    cluster = _find(strategy)
    named = len(cluster.addresses) if cluster else 1
    if workers not in (None, named):
        raise ConfigError(
            f"train.workers is {workers} and this process is one of {named} by"
            f" {_VARIABLE}; {_REMEDY}."
        )
    return cluster


def _find(strategy: str) -> Cluster | None:
    text = os.environ.get(_VARIABLE, "")
    if not text.strip():
        if strategy == "multi_worker":
            raise ConfigError(
                f"train.strategy is 'multi_worker' and {_VARIABLE} is not set;"
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
            f"train.strategy is {strategy!r} and {_VARIABLE} names"
            f" {len(cluster.addresses)} processes, each of which would train alone; use"
            f" --train.strategy multi_worker, or unset {_VARIABLE}."
        )
    return cluster


def _parse(text: str) -> Cluster | None:
    """Reads `TF_CONFIG`; None if it names no cluster, as on a single machine."""
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
        raise _wrong(text, "its cluster must have `worker`, and may have `chief`, only")
    if not all(_is_list_of_addresses(addresses) for addresses in jobs.values()):
        raise _wrong(text, "each job of its cluster must be a list of HOST:PORT")
    if len(jobs.get("chief", ["one"])) != 1:
        raise _wrong(text, "its cluster must have one chief at most")
    task = config.get("task")
    if not isinstance(task, dict) or task.get("type") not in jobs:
        raise _wrong(text, "its task must have a type that is a job of its cluster")
    index = _to_int(task.get("index"))
    if index is None or not 0 <= index < len(jobs[task["type"]]):
        raise _wrong(
            text, "its task must have an index that its job has an address for"
        )
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
    # Some write the index as a string, which TensorFlow takes as well.
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    return int(value) if str(value).isdecimal() else None


def _wrong(text: str, wanted: str) -> ConfigError:
    return ConfigError(f"{_VARIABLE} is {text!r}; {wanted}: {_REMEDY}.")
