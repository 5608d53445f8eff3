"""Flags whose entries apply to all steps (`ENTRY`) or to one (`STEP=ENTRY`)."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from msg_modules.common.errors import ConfigError

STEPS = (
    "TfdsExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "Transform",
    "ClassifierTrainer",
    "Trainer",
    "GanEvaluator",
    "Pusher",
)


def split(entry: str) -> tuple[str | None, str]:
    """Splits `STEP=ENTRY`.

    Args:
      entry: What the user gave.

    Returns:
      The step, None for all of them, and the entry. A text before the first `=` that is
      no step's name belongs to the entry.
    """
    step, _, rest = entry.partition("=")
    return (step, rest) if step in STEPS else (None, entry)


def of_step(entries: Sequence[str], step: str | None) -> list[str]:
    """The entries that apply to a step.

    Args:
      entries: What the user gave.
      step: The step; None for the entries for all steps only.

    Returns:
      First those for all steps, then its own, without the step.
    """
    pairs = [split(entry) for entry in entries]
    wanted = dict.fromkeys((None, step))
    return [rest for name in wanted for owner, rest in pairs if owner == name]


def check_step(field: str, entry: str) -> None:
    """Rejects a misspelled step, which would otherwise pass for the key of a taint.

    Args:
      field: The flag's name.
      entry: What the user gave.

    Raises:
      ConfigError: If the text before `=` is almost the name of a step.
    """
    step, separator, _ = entry.partition("=")
    # Keys of labels and taints are rarely capitalised; `trainer=v2` is one.
    if not separator or step in STEPS or not step[:1].isupper():
        return
    if close := difflib.get_close_matches(step, STEPS, n=1, cutoff=0.8):
        raise ConfigError(
            f"{field} is {entry!r}, and there is no step {step!r}; write"
            f" {close[0]}=... for that step."
        )
