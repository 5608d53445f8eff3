"""Command lines that nobody thought of, made of the flags that `--help` lists.

A new command or flag is fuzzed without an entry here: its metavar says what it takes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import pathlib
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st

Main = Callable[[list[str]], int]

INTEGERS = [
    *("0", "-1", "1", "2", "64", "10001", str(2**31), str(2**63), "-" + "9" * 30),
    *("1_0", "٣", "+7", "9" * 400),
]
FLOATS = ["nan", "inf", "-inf", "1e400", "-0.0", "1e-400", "0.5", "1.5", "1e308"]
OTHERS = ["", " ", "0x10", "1,5", "9" * 5000, "None", "true", "[]", "{}", "\u0661.5"]
# Not one of them is a generator, a run or an image: nothing shall begin to work.
PATHS = [
    *("", ".", "..", "~", "none", "none/none", "file", "file/below", "empty", "socket"),
    *("../../../etc/passwd", "/proc", "/proc/self/mem", "/proc/none/none", "half"),
    *("a" * 300, "a/" * 3000, "ключ", "🙂.png", "a b", "*", "[", "x[1]", "{", "\n"),
    *("\udcff", "\udcff.npz", "x.npz", "x.gif", "x.PNG", ".png", "x.png/", "x.mp4"),
    *("x.onnx", "x\0y", "\0", "loop", "%s", "{}", "$(id)", "~none/x", "~\0"),
    *("file://x", "gs://none/x", "s3://none", "://", "https://x", "\x1b[31mred"),
]
ODD = ["-", "--", "-1", "-x", "@file", "@none", "@", "=", "a=b", "[red]", "[/red]"]

# Not absolute paths: some commands create directories.
_TEXTS = st.text(st.characters(exclude_characters="/"), max_size=20)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from([-1, 0, 10**30, 0.5, float("nan"), "", "a", "../x", "\0"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["name", "results", "value"]), inner),
    ),
    max_leaves=4,
)
CONTENTS = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"", b"\x00" * 5000, b"[" * 100_000, b"--- \n---\n", b"\x89PNG"]),
)

_WHITE = re.compile(r"[\s│╭╮╰╯─]")
_FLAG = re.compile(
    r"(?:│|^) *(?P<names>(?:-h, )?--[\w.-]+(?:, --[\w.-]+)*)"
    r"(?: (?P<takes>[^\s│]\S*(?: \S+)*))?(?= {2,}| *│| *$)",
    re.MULTILINE,
)
_QUOTED = re.compile(r"`([^`\n]+)`")
_REQUIRED = re.compile(r"\(required\)")


class Flag(NamedTuple):
    """A flag, and what `--help` says that it takes; None for a switch."""

    names: tuple[str, ...]
    takes: str | None
    required: bool


@dataclasses.dataclass(frozen=True)
class Command:
    """A command line to fuzz."""

    main: Main
    words: tuple[str, ...]
    flags: tuple[Flag, ...]
    positional: bool
    # What the help quotes: values that get further than random ones.
    examples: tuple[str, ...]


class Outcome(NamedTuple):
    """How a command ended."""

    status: int | str | None
    is_usage: bool
    """Whether the parser ended it, which draws a frame around its message."""
    output: str
    error: str


def run(main: Main, arguments: Sequence[str]) -> Outcome:
    """Runs a command with strict streams, as a terminal's are."""
    output, errors = io.BytesIO(), io.BytesIO()
    with (
        contextlib.redirect_stdout(io.TextIOWrapper(output, "utf-8")) as out,
        contextlib.redirect_stderr(
            io.TextIOWrapper(errors, "utf-8", "backslashreplace")
        ) as err,
    ):
        try:
            status, is_usage = main(list(arguments)), False
        except SystemExit as e:
            status, is_usage = e.code, True
        out.flush()
        err.flush()
        return Outcome(
            status, is_usage, output.getvalue().decode(), errors.getvalue().decode()
        )


def make_place(directory: pathlib.Path) -> None:
    """Makes a directory with what the odd paths name."""
    (directory / "empty").mkdir(parents=True)
    (directory / "file").write_bytes(b"\x00\xff")
    (directory / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(directory / "socket"))


def subcommands(main: Main) -> dict[str, Command]:
    """Reads all commands from `--help`."""
    (names,) = re.findall(r"\{([\w,]+)\}", run(main, ["--help"]).output)[:1]
    return {name: describe(main, name) for name in names.split(",")}


def describe(main: Main, *words: str) -> Command:
    """Reads the flags of a command from its `--help`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "110")
        text = run(main, [*words, "--help"]).output
    found = list(_FLAG.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    flags = tuple(
        Flag(
            tuple(match["names"].split(", ")),
            match["takes"],
            bool(_REQUIRED.search(text, match.start(), end)),
        )
        for match, end in zip(found, ends, strict=True)
    )
    return Command(
        main,
        words,
        flags,
        positional="positional arguments" in text,
        examples=tuple(dict.fromkeys(_QUOTED.findall(text))),
    )


@st.composite
def arguments(draw: st.DrawFn, command: Command, good: Mapping[str, str]) -> list[str]:
    """A command line: what is required, some other flags, and something odd.

    Args:
      draw: Of hypothesis.
      command: What to run.
      good: Flag -> a value with which a command gets further.
    """
    named = [flag for flag in command.flags if "-h" not in flag.names]
    more = draw(st.lists(st.sampled_from(named), max_size=3)) if named else []
    needed = [flag for flag in named if flag.required or good.keys() & set(flag.names)]
    parts = [_part(draw, flag, command.examples, good) for flag in needed + more]
    if command.positional:
        parts.append([draw(_word(command.examples))])
    if draw(st.booleans()):
        parts = draw(st.permutations(parts))
    if draw(st.integers(0, 4)) == 0:
        parts.append(draw(_odd_part(command.examples)))
    return [*command.words, *(word for part in parts for word in part)]


def _part(
    draw: st.DrawFn, flag: Flag, examples: Sequence[str], good: Mapping[str, str]
) -> list[str]:
    name = draw(st.sampled_from(flag.names))
    if name in good and draw(st.integers(0, 3)):
        return [name, good[name]]
    if draw(st.integers(0, 9)) == 0:
        name = name.replace("-", "_").replace("__", "--", 1)
    if flag.takes is None:
        return [name]
    values = _values(flag.takes, examples)
    if "[" in flag.takes:
        return [name, *draw(st.lists(values, max_size=3))]
    value = draw(values)
    return [f"{name}={value}"] if draw(st.booleans()) else [name, value]


def _values(takes: str, examples: Sequence[str]) -> st.SearchStrategy[str]:
    """Values that fit a metavar, and now and then one that does not."""
    strategies = [
        st.sampled_from(values)
        for name, values in (("INT", INTEGERS), ("FLOAT", FLOATS), ("PATH", PATHS))
        if name in takes
    ]
    if "STR" in takes:
        strategies.append(_word(examples))
    if choices := re.findall(r"\{([\w,-]+)\}", takes):
        strategies.append(st.sampled_from(",".join(choices).split(",")))
    return st.one_of(*strategies, _word(examples))


def _word(examples: Sequence[str]) -> st.SearchStrategy[str]:
    known = [word for example in examples for word in [example, *example.split()]]
    lists = [INTEGERS, FLOATS, OTHERS, PATHS, ODD, known or ODD]
    return st.one_of(*map(st.sampled_from, lists), _TEXTS)


def _odd_part(examples: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.one_of(
        st.sampled_from(
            [["--none"], ["--none", "1"], ["--none=1"], ["--"], ["--help"]]
        ),
        st.lists(_word(examples), min_size=1, max_size=2),
    )


def check(command: Command, words: Sequence[str]) -> Outcome:
    """Runs a command line, and checks that it ends in good order.

    In addition to `check_outcome`, an error names a flag or a value of that line.
    """
    ended = run(command.main, words)
    check_outcome(ended, words)
    assert not ended.status or _names_one(ended.error, command, words), (
        words,
        ended.error,
    )
    return ended


def check_outcome(ended: Outcome, words: Sequence[str]) -> None:
    """Checks how a command ended.

    The status is one of those documented; there is no traceback; an error is one line,
    or the parser's; and it is one that the program knows, since nothing here can be
    unforeseen.
    """
    told = f"{list(words)!r}: {ended.error[-2000:]}"
    assert ended.status in ((0, 2) if ended.is_usage else (0, 1, 2)), told
    # With the flag, logs and a traceback come before the line.
    is_verbose = "--verbose" in words
    assert is_verbose or "Traceback" not in ended.error, told
    assert "use --verbose" not in ended.error, told
    if ended.status and not ended.is_usage:
        *others, line = ended.error.splitlines()
        assert line.startswith("error: "), told
        assert is_verbose or not others, told


def _names_one(error: str, command: Command, words: Sequence[str]) -> bool:
    """Whether an error names something that was given, or should have been."""
    names = [name for flag in command.flags for name in flag.names if flag.required]
    # A flag is a word of a sentence too: `train.replicas is 2`.
    given = [word.partition("=")[0] for word in words if word.startswith("-")]
    names += [f"no{name}" for name in names + given]
    values = [word.partition("=")[2] for word in words if re.match("--[^=]+=", word)]
    every = [*words, *values, *given, *names]
    if not all(word.strip("-_ ") for word in [*words, *values]):
        return True  # Nothing can be seen of a blank or a dash.
    forms = {form for word in every for form in (word, repr(word)[1:-1])}
    plain = _plain(error)
    return any(f"'{word}'" in error for word in words) or any(
        _plain(form.lstrip("-")) in plain for form in forms
    )


def _plain(text: str) -> str:
    """Without frames and line breaks; flags are spelled with `-` or `_`."""
    return _WHITE.sub("", text).replace("-", "_")


@contextlib.contextmanager
def damaged(
    path: pathlib.Path,
    data: st.DataObject,
    document: Any = None,
    write: Callable[[Any], str] | None = None,
) -> Iterator[None]:
    """Damages a file for the length of the block.

    Args:
      path: The file.
      data: Draws the damage.
      document: What the file holds, if that is JSON or YAML.
      write: Turns a document into the content of such a file.
    """
    intact = path.read_bytes()
    kinds = ["content", "cut", "directory", "gone", *(["value"] * 8 if write else [])]
    damage = data.draw(st.sampled_from(kinds))
    content = b""
    if damage == "content":
        content = data.draw(CONTENTS)
    elif damage == "cut":
        content = intact[: data.draw(st.integers(0, len(intact) - 1))]
    elif damage == "value" and write:
        content = write(_changed(data, document)).encode()
    # Nothing is drawn from here on, as that may raise.
    path.unlink()
    if damage == "directory":
        path.mkdir()
    elif damage != "gone":
        path.write_bytes(content)
    try:
        yield
    finally:
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(intact)


def _changed(data: st.DataObject, document: Any) -> Any:
    """Replaces or removes a value somewhere in a document."""
    if (
        not isinstance(document, (dict, list))
        or not document
        or data.draw(st.integers(0, 5)) == 0
    ):
        return data.draw(VALUES)
    copy = document.copy()
    keys = list(copy) if isinstance(copy, dict) else range(len(copy))
    key = data.draw(st.sampled_from(keys))
    if data.draw(st.integers(0, 5)) == 0:
        del copy[key]
    else:
        copy[key] = _changed(data, copy[key])
    return copy
