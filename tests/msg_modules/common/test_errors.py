from __future__ import annotations

import pytest

from msg_modules.common.errors import ConfigError, RunError, explain, root_message


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_the_first_cause_is_told_rather_than_what_it_led_to():
    error = _caused(
        RuntimeError("Pipeline failed"),
        _caused(ValueError("Node failed"), OSError("the disk is full")),
    )

    assert root_message(error) == "the disk is full"


def test_a_message_of_ours_is_not_replaced_by_its_technical_cause():
    ours = _caused(RunError("The examples cannot be read."), OSError("offset 12"))

    assert root_message(_caused(RuntimeError("x"), ours)) == (
        "The examples cannot be read."
    )


def test_of_a_workers_traceback_the_last_line_is_told():
    text = """Traceback (most recent call last):
  File "worker.py", line 3, in process
    raise ValueError(x)
ValueError: first
During handling of the above exception, another exception occurred:
Traceback (most recent call last):
msg_modules.common.errors.RunError: image 7 does not decode [while running 'Split/Map']
"""

    assert root_message(RuntimeError(text)) == "image 7 does not decode"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Invalid PNG data [Op:DecodeImage]", "Invalid PNG data"),
        ("first line\nsecond line", "first line"),
        ("a list [1, 2] in the text", "a list [1, 2] in the text"),
    ],
)
def test_the_message_is_one_line_without_names_of_operations(message: str, told: str):
    assert root_message(RuntimeError(message)) == told


def test_an_error_without_a_message_is_named():
    assert root_message(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_the_kinds_of_error_can_be_told_apart():
    assert not issubclass(ConfigError, RunError)
    assert not issubclass(RunError, ConfigError)


def test_what_follows_the_name_of_an_operation_is_kept():
    text = (
        "{{function_node __wrapped__IteratorGetNext}} corrupted record at 7"
        " [Op:IteratorGetNext] name: "
    )
    inner = root_message(RuntimeError(text))
    assert inner == "corrupted record at 7"
    outer = (
        "Traceback (most recent call last):\n"
        "msg_modules.common.errors.RunError: corrupted record at 7"
        " [Op:IteratorGetNext] name:;"
        " delete it. [while running 'Read[train]']"
    )
    assert root_message(RuntimeError(outer)) == "corrupted record at 7; delete it."


def test_a_library_error_tells_what_to_do_about_damaged_files():
    told = explain(ValueError("bad record"), damaged="delete 'examples/2'")

    assert "bad record" in told
    assert "delete 'examples/2'" in told


def test_a_remedy_for_a_full_disk_is_told_once():
    once = explain(OSError("No space left on device"), "output")
    again = explain(RunError(f"Trainer failed: {once}"))

    assert again == f"Trainer failed: {once}"
    assert again.count("free some space") == 1


def test_a_read_only_file_system_is_no_damaged_file():
    told = explain(RuntimeError("out/a; Read-only file system"), damaged="delete it")

    assert told == (
        "out/a; Read-only file system; choose a path on a writable file system"
    )


def test_content_that_a_library_quotes_is_cut():
    told = explain(ValueError(f"not a record: {'00ff ' * 1000}"))

    assert told.startswith("not a record: 00ff")
    assert len(told) < 400
