"""How a command ends: its exit status, and one line on what went wrong."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Sequence

from msg_modules.common import console, field_types
from msg_modules.common.errors import ConfigError, Interrupted, explain

FAILED, USAGE, SIGNALLED = 1, 2, 128
VERBOSE = "--verbose"


def run(command: Callable[[], int | None], argv: Sequence[str]) -> int:
    """Runs a command; whatever it raises becomes one line on standard error.

    Args:
      command: Does the work; returns the exit status, or None for 0.
      argv: The command's arguments. With `--verbose`, the libraries log and the
        traceback of an error is printed too.

    Returns:
      The exit status: 1 for a failure, 2 for an invalid argument or setting, 130 or
      143 if interrupted by Ctrl-C or SIGTERM.
    """
    is_verbose = VERBOSE in argv
    console.quiet_libraries(is_verbose)
    try:
        for argument in argv:
            if not field_types.is_text(argument):
                raise ConfigError(
                    f"An argument is {argument!r}, which is not UTF-8 text without null"
                    " characters; rename the file if it is the name of one."
                )
        return command() or 0
    except Interrupted as e:
        place = f" in {e.place}" if e.place else ""
        console.fail(f"Interrupted{place}. {e.advice}".strip())
        return SIGNALLED + e.signal_number
    except KeyboardInterrupt:
        console.fail("Interrupted.")
        return SIGNALLED + signal.SIGINT
    except Exception as e:  # Libraries may raise anything.
        if is_verbose:
            traceback.print_exception(e)
        console.fail(explain(e))
        return USAGE if isinstance(e, ConfigError) else FAILED
