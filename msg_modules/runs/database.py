"""Opens the ML Metadata database of a pipeline root."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sqlite3
from collections.abc import Iterator

from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from msg_modules.common.errors import FREE_SPACE, RunError
from msg_modules.runs import layout

_LOCKED_SECONDS = 5.0
# What TFX and ML Metadata put before a reason.
_TFX_REASON = "Failed to establish connection to Metadata storage with error: "
_QUERY = "Error when executing query: "
_CONNECT = "Cannot connect sqlite3 database: "
_NO_ACCESS = ("unable to open database file", "disk I/O error")


@contextlib.contextmanager
def opened(pipeline_root: pathlib.Path) -> Iterator[metadata_store.MetadataStore]:
    """Opens the database read-only.

    Args:
      pipeline_root: Directory with `metadata.sqlite`.

    Yields:
      The store.

    Raises:
      RunError: As `explained`, for any use in the block.
    """
    path = pipeline_root / layout.METADATA_FILE
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = (
        metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    )
    _roll_back(path)
    if path.is_file() and not has_records(path):
        # SQLite takes it for a new database, which ML Metadata then tries to fill.
        raise RunError(
            f"The database {str(path)!r} is empty: the first run was ended before it"
            " recorded anything, or the file was truncated. The next run of the"
            " pipeline fills it and keeps the checkpoints."
        )
    with explained(path):
        yield metadata_store.MetadataStore(config)


def has_records(path: pathlib.Path) -> bool:
    """Whether the file exists and is not empty, as after a run that ended at once."""
    return path.exists() and path.stat().st_size > 0


def _roll_back(path: pathlib.Path) -> None:
    """Undoes what a killed process had begun to write, which no reader can."""
    if path.with_name(f"{path.name}-journal").exists():
        with (
            contextlib.suppress(sqlite3.Error),  # The store will fail as well.
            contextlib.closing(sqlite3.connect(path)) as connection,
        ):
            connection.execute("SELECT * FROM sqlite_master").fetchone()


@contextlib.contextmanager
def explained(path: str | pathlib.Path) -> Iterator[None]:
    """Names the database in the errors that ML Metadata raises in the block.

    Args:
      path: The database.

    Raises:
      RunError: If ML Metadata raises an error.
    """
    try:
        yield
    except (errors.StatusError, RuntimeError) as e:
        # While it connects, ML Metadata raises a mere RuntimeError.
        is_known = any(known in str(e) for known in (_QUERY, _CONNECT))
        if not isinstance(e, errors.StatusError) and not is_known:
            raise
        # ML Metadata may put what it was about to write before that.
        reason = str(e).rpartition(_QUERY)[2].partition(" query:")[0].strip()
        reason = reason.splitlines()[0].removeprefix(_TFX_REASON)
        reason = reason.removeprefix(_CONNECT)
        raise _unusable(path, reason) from e


def check(path: pathlib.Path) -> None:
    """Checks at once that a run can write, which ML Metadata tries for minutes.

    Args:
      path: The database; it need not exist.

    Raises:
      RunError: If it is locked by another process, or is not a database.
    """
    if not path.exists():
        return
    try:
        with contextlib.closing(
            sqlite3.connect(path, timeout=_LOCKED_SECONDS)
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except sqlite3.Error as e:
        raise _unusable(path, str(e)) from e


def _unusable(path: str | pathlib.Path, reason: str) -> RunError:
    if "locked" in reason:
        return RunError(
            f"The database {str(path)!r} is locked by another process; wait for it to"
            " finish, or end it."
        )
    if "disk is full" in reason:
        return RunError(
            f"There is no space left for the database {str(path)!r} ({reason});"
            f" {FREE_SPACE}."
        )
    # SQLite says so only of a file that was read-only when it was opened.
    directory = pathlib.Path(path).absolute().parent
    cannot_write = (
        any(words in reason for words in _NO_ACCESS)
        and os.access(directory, os.F_OK)
        and not os.access(directory, os.W_OK)
    )
    if "readonly" in reason or "read-only" in reason or cannot_write:
        return RunError(
            f"The database {str(path)!r} is read-only ({reason}); make it and its"
            " directory writable and run the same command again."
        )
    return RunError(
        f"The database {str(path)!r} cannot be used ({reason}); if it is damaged, move"
        " it away: the next run of the pipeline starts a new one and keeps the"
        " checkpoints."
    )
