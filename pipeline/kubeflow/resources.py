"""CPU and memory of the steps' pods: requests and limits."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from msg_modules.configs import require
from pipeline.kubeflow import step_entries

WANTED = (
    "[STEP=]cpu:AMOUNT,memory:AMOUNT, where AMOUNT is a request that is also the limit,"
    " or REQUEST-LIMIT: 2, 500m or 1-4 for CPU cores, 4Gi or 2Gi-4Gi for memory"
)
_UNITS = {
    **{"m": 1e-3, "": 1.0},
    **{"M": 1e6, "G": 1e9, "T": 1e12},
    **{"Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40},
}
_AMOUNTS = {
    "cpu": r"\d+(?:\.\d+)?m?",
    "memory": r"\d+(?:\.\d+)?[MGT]i?",
}
# Kubeflow's driver prints it as a Go float, which below 1e-4 GB is no quantity.
_LEAST = {"cpu": 1e-3, "memory": 2.0**20}

# About twice the peak resident memory that each step's process had with Fashion-MNIST
# (see docs/performance.md) as the request, and twice that as the limit. The CPU limits
# let a step use the idle cores of a common node.
DEFAULTS = {
    "TfdsExampleGen": "cpu:1-4,memory:2Gi-4Gi",
    "StatisticsGen": "cpu:1-4,memory:2Gi-4Gi",
    "SchemaGen": "cpu:250m-1,memory:1Gi-2Gi",
    "ExampleValidator": "cpu:250m-1,memory:1Gi-2Gi",
    "Transform": "cpu:1-4,memory:2Gi-4Gi",
    "ClassifierTrainer": "cpu:1-4,memory:2Gi-4Gi",
    "Trainer": "cpu:1-8,memory:3Gi-6Gi",
    "GanEvaluator": "cpu:1-8,memory:4Gi-8Gi",
    "Pusher": "cpu:250m-1,memory:1Gi-2Gi",
}
# The Trainer's own pod while a job trains: it reads the examples once, to name the job.
WHILE_A_JOB_TRAINS = "cpu:250m-1,memory:2Gi-4Gi"


@dataclasses.dataclass(frozen=True)
class Amount:
    """A request and a limit.

    Attributes:
      request: A Kubernetes quantity.
      limit: A Kubernetes quantity.
    """

    request: str
    limit: str


def number(quantity: str) -> float:
    """A Kubernetes quantity in cores or bytes."""
    match = re.fullmatch(r"([\d.]+)(\D*)", quantity)
    assert match
    return float(match[1]) * _UNITS[match[2]]


def check(field: str, entry: str) -> None:
    """Checks one entry of a flag.

    Raises:
      ConfigError: If it is not a list of resources.
    """
    _, text = step_entries.split(entry)
    for part in text.split(","):
        name, _, amount = part.partition(":")
        pattern = _AMOUNTS.get(name)
        fits = pattern and re.fullmatch(f"({pattern})(-({pattern}))?", amount)
        require(bool(fits), field, entry, WANTED)
        parsed = _amount(amount)
        low, high = number(parsed.request), number(parsed.limit)
        require(
            _LEAST[name] <= low <= high,
            field,
            entry,
            "at least 1m CPU or 1Mi memory, with a limit that is not below the request",
        )


def resolve(entries: Sequence[str]) -> dict[str, Amount]:
    """Merges resources; later entries win.

    Args:
      entries: Such as `cpu:2,memory:1Gi-4Gi`, without a step.

    Returns:
      The amount of `cpu` and `memory`, where given.
    """
    parts = (part.split(":") for entry in entries for part in entry.split(","))
    return {name: _amount(text) for name, text in parts}


def _amount(text: str) -> Amount:
    request, _, limit = text.partition("-")
    return Amount(request, limit or request)
