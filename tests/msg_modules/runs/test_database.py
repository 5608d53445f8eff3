"""Whether a run can use its database is found out at once."""

from __future__ import annotations

import contextlib
import pathlib
import signal
import sqlite3
import subprocess
import sys

import pytest

from msg_modules.common.errors import RunError
from msg_modules.runs import database

HOLD = (
    "import sqlite3, sys, time\n"
    "connection = sqlite3.connect(sys.argv[1])\n"
    "connection.execute('BEGIN EXCLUSIVE')\n"
    "print('held', flush=True)\n"
    "time.sleep(60)"
)
# A cache of one page makes SQLite write to the file before the end of a transaction.
BE_KILLED = (
    "import os, signal, sqlite3, sys\n"
    "connection = sqlite3.connect(sys.argv[1])\n"
    "connection.execute('PRAGMA cache_size = 1')\n"
    "connection.execute('DELETE FROM Type')\n"
    "connection.execute('CREATE TABLE Large (content)')\n"
    "connection.execute('INSERT INTO Large VALUES (zeroblob(100000))')\n"
    "os.kill(os.getpid(), signal.SIGKILL)"
)


def test_a_database_that_is_free_or_not_there_can_be_used(tmp_path: pathlib.Path):
    path = tmp_path / "metadata.sqlite"
    database.check(path)
    assert not path.exists()
    sqlite3.connect(path).execute("CREATE TABLE one (two)").connection.close()
    database.check(path)


def test_a_file_that_is_no_database_is_named(tmp_path: pathlib.Path):
    path = tmp_path / "metadata.sqlite"
    path.write_text("some text " * 1000)
    with pytest.raises(RunError, match=r"not a database.*move it away") as caught:
        database.check(path)
    assert str(path) in str(caught.value)


def test_a_database_that_another_process_has_locked_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "_LOCKED_SECONDS", 0.1)
    path = tmp_path / "metadata.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(RunError, match="another process") as caught:
                database.check(path)
        finally:
            holder.kill()
    assert str(path) in str(caught.value)
    database.check(path)


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("database or disk is full", "free some space"),
        ("attempt to write a readonly database", "make it and its directory writable"),
    ],
)
@pytest.mark.parametrize("before", ["", "Cannot create node for type_id: 32"])
def test_a_database_that_cannot_be_written_need_not_be_moved_away(
    tmp_path: pathlib.Path, before: str, reason: str, remedy: str
):
    path = tmp_path / "metadata.sqlite"
    seen = f"{before}Error when executing query: {reason} query:  UPDATE `Execution`;"
    with (
        pytest.raises(RunError, match=rf"{path}.*{reason}.*{remedy}") as caught,
        database.explained(path),
    ):
        raise RuntimeError(seen)
    assert "move it away" not in str(caught.value)


def test_a_database_whose_writer_was_killed_can_be_read(tmp_path: pathlib.Path):
    from ml_metadata.metadata_store import metadata_store
    from ml_metadata.proto import metadata_store_pb2

    path = tmp_path / "metadata.sqlite"
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    kept = metadata_store.MetadataStore(config).put_artifact_type(
        metadata_store_pb2.ArtifactType(name="Kept")
    )
    killed = subprocess.run([sys.executable, "-c", BE_KILLED, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.with_name("metadata.sqlite-journal").stat().st_size
    with database.opened(tmp_path) as store:
        (found,) = store.get_artifact_types()
    assert (found.id, found.name) == (kept, "Kept")


def test_a_database_in_which_nothing_was_recorded_is_filled_by_the_next_run(
    tmp_path: pathlib.Path,
):
    from ml_metadata.metadata_store import metadata_store
    from ml_metadata.proto import metadata_store_pb2

    path = tmp_path / "metadata.sqlite"
    path.touch()
    with pytest.raises(RunError, match="is empty") as caught, database.opened(tmp_path):
        pytest.fail("It was opened.")
    assert "move it away" not in str(caught.value)

    database.check(path)
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    metadata_store.MetadataStore(config)
    with database.opened(tmp_path) as store:
        assert store.get_executions() == []


def test_a_disk_that_gets_read_only_does_not_make_the_database_damaged(
    tmp_path: pathlib.Path,
):
    path = tmp_path / "metadata.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE Type (content)")
        if not _mount("--bind", tmp_path, tmp_path):
            pytest.skip("mounting is not permitted here")
        try:
            if not _mount("-o", "remount,bind,ro", tmp_path):
                pytest.skip("remounting is not permitted here")
            # The journal cannot be created beside the file, which is open.
            with pytest.raises(sqlite3.Error, match="unable to open") as seen:
                connection.execute("INSERT INTO Type VALUES (1)")
            # If it is there already, it cannot be deleted or flushed.
            for reason in (str(seen.value), "disk I/O error"):
                with (
                    pytest.raises(RunError, match="is read-only") as caught,
                    database.explained(path),
                ):
                    raise RuntimeError(f"Error when executing query: {reason}")
                assert "move it away" not in str(caught.value)
        finally:
            subprocess.run(["umount", "--lazy", tmp_path], check=True)


def _mount(*arguments: str | pathlib.Path) -> bool:
    command = ["mount", *arguments]
    try:
        return not subprocess.run(command, capture_output=True, check=False).returncode
    except FileNotFoundError:
        return False
