"""How command lines read paths."""

from __future__ import annotations

import pathlib

from tyro import constructors

LOCAL_PATHS = constructors.ConstructorRegistry()
"""Refuses a URI where a `pathlib.Path` is wanted, which would make a local path of it:
`s3://bucket/model` becomes `s3:/bucket/model`."""


@LOCAL_PATHS.primitive_rule
def _local_path(
    type_info: constructors.PrimitiveTypeInfo,
) -> constructors.PrimitiveConstructorSpec[pathlib.Path] | None:
    if type_info.type is not pathlib.Path:
        return None
    return constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=_parse,
        is_instance=lambda value: isinstance(value, pathlib.Path),
        str_from_instance=lambda path: [str(path)],
    )


def _parse(words: list[str]) -> pathlib.Path:
    (word,) = words
    if "://" in word:
        # The parser shows it after the name of the flag.
        raise ValueError(f"{word} is a URI; it must be a local path.")
    return pathlib.Path(word)
