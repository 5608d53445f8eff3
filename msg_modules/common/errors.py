"""Exceptions that end a command with a one-line message."""

import re


class ConfigError(ValueError):
    """An invalid argument or setting; nothing was started. Exit status 2."""


class RunError(RuntimeError):
    """A failure during a run. Exit status 1."""


class Interrupted(Exception):
    """Ctrl-C or SIGTERM, for example when a pod is preempted.

    Unlike KeyboardInterrupt, it is an `Exception`, so that TFX records the execution
    as failed and removes its unfinished outputs.

    Attributes:
      signal_number: SIGINT or SIGTERM.
    """

    def __init__(self, signal_number: int):
        super().__init__(f"interrupted by signal {signal_number}")
        self.signal_number = signal_number


_TRACEBACK_LAST_LINE = re.compile(r"^(?:[\w.]+(?:Error|Exception)): (?P<message>.+)$")
_GRAPH_NODE = re.compile(r"\{\{\w+node [^}]*\}\} ?")
_OPERATION = re.compile(r" \[Op:\w+\]( name:)?")
_BEAM_SUFFIX = re.compile(r"( \[while running '[^']*'\])+$")


def root_message(error: BaseException) -> str:
    """Returns the message of an error's root cause, on one line.

    Beam passes a worker's error on as the text of its traceback; the root cause is
    then the last line of that text that names an exception.

    Args:
      error: The exception that was caught.

    Returns:
      One line, without the names of Beam steps and TensorFlow operations.
    """
    while error.__cause__ is not None and not isinstance(
        error, (ConfigError, RunError)
    ):
        error = error.__cause__
    message = str(error).strip() or type(error).__name__
    for line in message.splitlines():
        if match := _TRACEBACK_LAST_LINE.match(line.strip()):
            message = match["message"]
    message = _OPERATION.sub("", _GRAPH_NODE.sub("", message.splitlines()[0]))
    return _BEAM_SUFFIX.sub("", message).strip()
