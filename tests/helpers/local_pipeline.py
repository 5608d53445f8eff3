"""The command `local_runner.py` on one pipeline root, run in this process."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import sys

import pytest

from pipeline.local import command

_LOCAL_RUNNER = pathlib.Path(__file__).parents[2] / "local_runner.py"

COMPONENTS = (
    "SchemaGen",
    "TfdsExampleGen",
    "StatisticsGen",
    "ExampleValidator",
    "Transform",
    "Trainer",
    "ClassifierTrainer",
    "GanEvaluator",
    "Pusher",
)

# A generator of six steps draws next to nothing.
BLESS_ALL = [
    "--evaluate.max-frechet-share",
    "None",
    "--evaluate.min-coverage",
    "None",
    "--evaluate.max-class-distance",
    "None",
    "--evaluate.max-worsening",
    "None",
]


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run of `local_runner.py` said."""

    status: int
    output: str
    error: str

    @property
    def outcomes(self) -> dict[str, str]:
        """How each component ended: `done` or `cache hit`."""
        return dict(re.findall(r"\] (\w+): (.+?) \([\d.]+ s\)", self.output))


class Pipeline:
    """The command on one pipeline root."""

    def __init__(self, root: pathlib.Path, data_dir: pathlib.Path):
        self.root = root
        self.flags = [
            "--pipeline-root",
            str(root),
            "--data.dataset",
            "garments",
            "--data.data-dir",
            str(data_dir),
            "--data.max-examples",
            "300",
            "--train.steps",
            "6",
            "--train.batch-size",
            "16",
            "--train.report-every",
            "2",
            "--train.sample-every",
            "3",
            "--evaluate.num-seeds",
            "2",
            *BLESS_ALL,
        ]

    def run(self, capsys: pytest.CaptureFixture[str], *flags: str) -> Run:
        """Runs the command in this process, with flags that override."""
        capsys.readouterr()
        status = command.main([*self.flags, *flags])
        captured = capsys.readouterr()
        return Run(status, captured.out, captured.err)

    def command(self, *flags: str) -> list[str]:
        """The command line that runs it in a process of its own."""
        return [sys.executable, "-u", str(_LOCAL_RUNNER), *self.flags, *flags]

    @property
    def versions(self) -> list[str]:
        """The pushed versions that are complete."""
        models = (self.root / "serving").glob("*/saved_model.pb")
        return sorted(path.parent.name for path in models)
