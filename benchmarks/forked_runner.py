"""`local_runner.py` in processes that need not import TensorFlow and TFX."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import sys
from multiprocessing.process import BaseProcess

_IMPORTED_ONCE = [
    "components.tfds_example_gen.resolution",
    "msg_modules.runs.results",
    "msg_modules.training.run_fn",
    "pipeline.local.runner",
    "pipeline.pipeline",
]


def start(flags: list[str], output: pathlib.Path, error: pathlib.Path) -> BaseProcess:
    """Starts the command in a process that a server forks, which has imported all.

    Args:
      flags: Flags of the command.
      output: What it prints is written to this file.
      error: What it prints on standard error is written to this file.
    """
    for path in (output, error):
        path.write_text("")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED_ONCE)
    process = context.Process(target=_become, args=(flags, output, error))
    process.start()
    return process


def _become(flags: list[str], *files: pathlib.Path) -> None:
    for path, stream in zip(files, (sys.stdout, sys.stderr), strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), stream.fileno())
    from pipeline.local import command

    sys.exit(command.main(flags))
