"""The `msg-gan` command."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

import tyro

from msg_modules.commands import (
    convert,
    draw,
    explore,
    model_info,
    reports,
    serve,
    train,
)
from msg_modules.common import console
from msg_modules.common.errors import ConfigError, Interrupted, RunError

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
    explore.explore,
    reports.evaluate,
    reports.report,
    reports.runs,
    train.train,
):
    app.command(_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status.

    Args:
      argv: Arguments; None for `sys.argv[1:]`.
    """
    console.quiet_libraries()
    try:
        app.cli(
            prog="msg-gan",
            description="Sample, explore, evaluate, convert and serve a pushed"
            " generator; render its training images; train without a pipeline.",
            args=sys.argv[1:] if argv is None else list(argv),
        )
    except ConfigError as e:
        console.fail(str(e))
        return 2
    except (OSError, RunError) as e:
        # The operating system's messages, such as `File name too long`, are clear.
        console.fail(str(e))
        return 1
    except Interrupted as e:
        console.fail("Interrupted; rerun the same command to resume training.")
        return 128 + e.signal_number
    except KeyboardInterrupt:
        console.fail("Interrupted; nothing was written.")
        return 128 + signal.SIGINT
    return 0
