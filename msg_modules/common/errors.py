"""Exceptions that end a command with a one-line message."""

import errno
import re
import textwrap


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
      advice: A sentence on how to go on; may be empty.
      place: What was interrupted, if not the whole command.
    """

    def __init__(self, signal_number: int, advice: str = "", place: str = ""):
        super().__init__(f"interrupted by signal {signal_number}")
        self.signal_number = signal_number
        self.advice = advice
        self.place = place


# What code raises that reads JSON or YAML of another form than it expects.
MISFIT = (
    AttributeError,
    IndexError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)

_TRACEBACK_LAST_LINE = re.compile(r"^(?:[\w.]+(?:Error|Exception)): (?P<message>.+)$")
_GRAPH_NODE = re.compile(r"\{\{\w+node [^}]*\}\} ?")
_OPERATION = re.compile(r" \[Op:\w+\]( name:)?")
_BEAM_SUFFIX = re.compile(r"( \[while running '[^']*'\])+$")


_READ_ONLY = re.compile("read-only file system$", re.IGNORECASE)
FREE_SPACE = "free some space and run the same command again"
# Libraries may quote the whole content of a file.
_LONGEST = 300
_DISK_FULL = re.compile("no space left|disk is full|disk quota exceeded", re.IGNORECASE)
_REMEDIES = {
    errno.EACCES: "choose a path that you have access to, or change its permissions",
    errno.EEXIST: "choose another path, or remove what is there",
    errno.EISDIR: "choose the path of a file",
    errno.ELOOP: "choose a path without circular links",
    errno.EMFILE: "raise the limit with `ulimit -n`",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ENOENT: "check the path, and create its directory if it is missing",
    errno.ENOTDIR: "choose a path that leads through directories only",
    errno.EPERM: "choose a path that you have access to, or change its permissions",
    errno.EROFS: "choose a path on a writable file system",
}


def explain(error: BaseException, directory: str = "", damaged: str = "") -> str:
    """Describes an error in one line: the thing, the cause and the remedy.

    Args:
      error: Any exception, such as one that a file system or a library raised.
      directory: Where the command writes its output.
      damaged: A remedy in case that a library could not read a damaged file.

    Returns:
      One line. Our own errors are in their own words.
    """
    message = root_message(error)
    if isinstance(error, (ConfigError, RunError)):
        message = str(error)
    if _DISK_FULL.search(message) and FREE_SPACE not in message:
        where = f" on the disk of {directory!r}" if directory else ""
        return f"no space left{where} ({message}); {FREE_SPACE}"
    root = root_cause(error)
    if isinstance(root, (ConfigError, RunError)):
        return message
    if _READ_ONLY.search(message):
        return f"{message}; {_REMEDIES[errno.EROFS]}"
    if isinstance(root, OSError) and root.strerror:
        names = [repr(n) for n in (root.filename, root.filename2) if n is not None]
        message = ": ".join([*names, root.strerror])
        if root.errno in _REMEDIES:
            return f"{message}; {_REMEDIES[root.errno]}"
    message = textwrap.shorten(message, _LONGEST, placeholder=" ...")
    return f"{message} (use --verbose for details{damaged and f'; {damaged}'})"


def root_cause(error: BaseException) -> BaseException:
    """Returns the first of our own errors in a chain of causes, or its last error."""
    while error.__cause__ is not None and not isinstance(
        error, (ConfigError, RunError)
    ):
        error = error.__cause__
    return error


def root_message(error: BaseException) -> str:
    """Returns the message of an error's root cause, on one line.

    Beam passes a worker's error on as the text of its traceback; the root cause is
    then the last line of that text that names an exception.

    Args:
      error: The exception that was caught.

    Returns:
      One line, without the names of Beam steps and TensorFlow operations.
    """
    error = root_cause(error)
    message = str(error).strip() or type(error).__name__
    for line in message.splitlines():
        if match := _TRACEBACK_LAST_LINE.match(line.strip()):
            message = match["message"]
    message = _OPERATION.sub("", _GRAPH_NODE.sub("", message.splitlines()[0]))
    return _BEAM_SUFFIX.sub("", message).strip()
