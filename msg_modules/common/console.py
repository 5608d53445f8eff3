"""What a person sees in the terminal: our lines, and not the libraries'.

Import this before TensorFlow and TFX.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator

import rich.console
import rich.panel
import rich.progress
import rich.table
import rich.text

console = rich.console.Console(highlight=False, soft_wrap=True)
_FILE_WIDTH = 160
error_console = rich.console.Console(stderr=True, highlight=False, soft_wrap=True)

# What the libraries say at WARNING or above that no user of this project can or
# need change. Failures are reported from their exceptions.
_KNOWN_NOISE = re.compile(
    r"property_predicate is not supported"
    r"|does not have payload_format custom property"
    r"|^Execution \d+ failed"
    r"|^Variant folder .* has no dataset_info.json"
    r"|going to push the model without validation"
    r"|deleted with unrestored values|^Value in checkpoint could not be found"
    r"|^Retrying \(Retry"
)


def quiet_libraries(verbose: bool = False) -> None:
    """Keeps the libraries' chatter from the terminal, or lets all of it through.

    Args:
      verbose: Show everything, at level INFO.
    """
    if verbose:
        logging.basicConfig(level=logging.INFO)
        return
    # TensorFlow's C++ messages: registrations of cuFFT, cuDNN and cuBLAS come at
    # level ERROR on machines that have no GPU. Real failures are exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # For child processes as well.
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    warnings.filterwarnings("ignore")
    logging.basicConfig(level=logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_worth_reading)


def _is_worth_reading(record: logging.LogRecord) -> bool:
    # Beam logs the traceback of an exception that it then raises.
    if record.name.startswith("apache_beam"):
        return False
    return not _KNOWN_NOISE.search(record.getMessage())


def say(message: str) -> None:
    """Prints a line, to be read by a person."""
    console.print(message, markup=False)


def warn(message: str) -> None:
    """Prints a framed warning that nobody overlooks."""
    panel = rich.panel.Panel(
        rich.text.Text(message), title="Warning", border_style="yellow"
    )
    console.print(panel, soft_wrap=False)


def fail(message: str) -> None:
    """Prints why it went wrong, in one line, to standard error."""
    error_console.print(
        f"error: {' '.join(message.split())}", markup=False, style="red"
    )


def show_table(table: rich.table.Table) -> None:
    """Prints a table; a file or another program gets a line for each row."""
    wide = rich.console.Console(highlight=False, width=_FILE_WIDTH)
    (console if is_terminal() else wide).print(table)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Keeps all but `fail` from the terminal: another process tells it."""
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


def is_terminal() -> bool:
    """Whether a person watches, rather than a log file."""
    return console.is_terminal


@contextlib.contextmanager
def progress(
    description: str, total: int, done: int = 0
) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, nothing elsewhere.

    Args:
      description: What goes on.
      total: Where it ends.
      done: Where it begins.

    Yields:
      A function that is told how far things are.
    """
    columns = (
        rich.progress.TextColumn("  {task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    with rich.progress.Progress(
        *columns, console=console, transient=True, disable=not is_terminal()
    ) as bar:
        task = bar.add_task(description, total=total, completed=done)
        yield lambda completed: bar.update(task, completed=completed)
