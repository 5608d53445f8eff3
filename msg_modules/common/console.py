"""Console output: this project's messages, without the libraries' log noise.

Import this before TensorFlow and TFX.
"""

from __future__ import annotations

import contextlib
import importlib.abc
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

from msg_modules.common import import_hooks

console = rich.console.Console(highlight=False, soft_wrap=True)
_FILE_WIDTH = 160
error_console = rich.console.Console(stderr=True, highlight=False, soft_wrap=True)

# Library messages at WARNING or above that users can do nothing about. Failures are
# reported from their exceptions.
_KNOWN_NOISE = re.compile(
    r"property_predicate is not supported"
    r"|does not have payload_format custom property"
    r"|^Execution \d+ failed"
    r"|^mlmd client \w+Error"
    r"|^Fallback to non-ZetaSQL contexts"
    r"|^Variant folder .* has no dataset_info.json"
    r"|going to push the model without validation"
    r"|deleted with unrestored values|^Value in checkpoint could not be found"
    r"|^Retrying \(Retry"
)


def quiet_libraries(verbose: bool = False) -> None:
    """Suppresses the libraries' log noise.

    Args:
      verbose: Show everything from level INFO instead.
    """
    if verbose:
        logging.basicConfig(level=logging.INFO)
        return
    # TensorFlow's C++ code logs the registration of cuFFT, cuDNN and cuBLAS at level
    # ERROR on machines without a GPU. Real failures are exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow 2.21 logs two lines before it reads that variable.
    import_hooks.install(["tensorflow"], _import_silently)
    # Child processes inherit it.
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    warnings.filterwarnings("ignore")
    logging.basicConfig(level=logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_worth_reading)


def _import_silently(loader: importlib.abc.Loader) -> importlib.abc.Loader:
    """Makes a loader discard what C++ code prints during the import."""
    silent = _without_stderr()(loader.exec_module)
    loader.exec_module = silent  # type: ignore[method-assign]
    return loader


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    """Discards what this process writes to standard error, also from C++."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _is_worth_reading(record: logging.LogRecord) -> bool:
    # Beam logs the traceback of an exception before it raises it.
    if record.name.startswith("apache_beam"):
        return False
    return not _KNOWN_NOISE.search(record.getMessage())


def say(message: str) -> None:
    """Prints a message."""
    console.print(message, markup=False)


def warn(message: str) -> None:
    """Prints a warning in a frame."""
    panel = rich.panel.Panel(
        rich.text.Text(message), title="Warning", border_style="yellow"
    )
    console.print(panel, soft_wrap=False)


def fail(message: str) -> None:
    """Prints an error to standard error, on one line."""
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    error_console.print(f"error: {line}", markup=False, style="red")


def show_table(table: rich.table.Table) -> None:
    """Prints a table; one line per row if the output is not a terminal."""
    wide = rich.console.Console(highlight=False, width=_FILE_WIDTH)
    (console if is_terminal() else wide).print(table)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Suppresses everything but `fail`; for processes other than the chief."""
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


def is_terminal() -> bool:
    """Whether standard output is a terminal, rather than a file or a pipe."""
    return console.is_terminal


def has_colours() -> bool:
    """Whether standard output is a terminal that shows colours."""
    return is_terminal() and bool(console.color_system) and not console.no_color


@contextlib.contextmanager
def progress(
    description: str, total: int, done: int = 0
) -> Iterator[Callable[[int], None]]:
    """Shows a progress bar if the output is a terminal.

    Args:
      description: Label of the bar.
      total: Number of steps.
      done: Steps completed before the start.

    Yields:
      A function that sets the number of completed steps.
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
