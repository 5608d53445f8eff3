"""Checks that the fields of a dataclass have values of their declared types."""

from __future__ import annotations

import sys
import types
import typing
from typing import Any

from msg_modules.common.errors import ConfigError

# TensorFlow, ML Metadata and Kubeflow store integers in 64 bits.
_LARGEST = 2**63 - 1
_WANTED = {
    bool: "True or False",
    float: "a finite number",
    int: "an integer of at most 64 bits",
    str: "UTF-8 text without null characters",
    type(None): "None",
}


def check(config: object, section: str = "") -> None:
    """Checks that all fields have values of their declared types.

    Args:
      config: A dataclass with fields of the types bool, int, float, str, None, tuple,
        `Literal`, other classes and unions of these. Numbers must be finite and fit
        into 64 bits, and a list may stand for a tuple, since JSON has none.
      section: Prefix of the fields in a message, such as `train`.

    Raises:
      ConfigError: If a value does not have the declared type.
    """
    for name, kind in typing.get_type_hints(type(config)).items():
        value = getattr(config, name)
        if not _fits(value, kind):
            field = f"{section}.{name}" if section else name
            raise ConfigError(f"{field} is {value!r}; it must be {_describe(kind)}.")


def is_text(value: str) -> bool:
    """Whether text can be encoded as UTF-8 and has no null characters.

    Bytes of a command line that are not UTF-8 become surrogates, which libraries refuse
    in their own ways.
    """
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _fits(value: Any, kind: Any) -> bool:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is typing.Literal:
        return (type(value), value) in [(type(one), one) for one in arguments]
    if origin is tuple:
        return isinstance(value, (list, tuple)) and all(
            _fits(element, arguments[0]) for element in value
        )
    if kind in (int, float) and isinstance(value, bool):
        return False
    if kind is int:
        return isinstance(value, int) and -_LARGEST <= value <= _LARGEST
    if kind is float:
        # False for NaN.
        return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max
    return isinstance(value, kind) and (kind is not str or is_text(value))


def _describe(kind: Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_describe, arguments))
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin is tuple:
        return f"a tuple of {_describe(arguments[0])}"
    return _WANTED.get(kind, f"a {kind.__name__}")
