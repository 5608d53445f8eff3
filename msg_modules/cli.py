"""The `msg-gan` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import tyro

from msg_modules.commands import (
    convert,
    draw,
    explore,
    model_info,
    reports,
    rollback,
    serve,
    train,
)
from msg_modules.common import outcome
from msg_modules.common.local_paths import LOCAL_PATHS

app = tyro.extras.SubcommandApp()
for _command in (
    draw.sample,
    draw.interpolate,
    draw.sheet,
    draw.real,
    draw.timelapse,
    model_info.info,
    convert.export,
    serve.serve,
    rollback.versions,
    rollback.rollback,
    rollback.prune,
    explore.explore,
    reports.evaluate,
    reports.report,
    reports.runs,
    train.train,
):
    app.command(_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status; see `outcome.run`.

    Args:
      argv: Arguments; None for `sys.argv[1:]`.
    """
    argv = sys.argv[1:] if argv is None else argv

    def command() -> None:
        app.cli(
            prog="msg-gan",
            description="Sample, explore, evaluate, convert, serve and roll back a"
            " pushed generator; render its training images; train without a pipeline."
            " Every command takes --verbose, which shows all logs and the traceback"
            " of an error.",
            args=[argument for argument in argv if argument != outcome.VERBOSE],
            registry=LOCAL_PATHS,
        )

    return outcome.run(command, argv)
