"""A config with any values is valid, or refused with a line that names the field."""

from __future__ import annotations

import dataclasses
import json
import os
import types
import typing
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

import msg_modules.configs
import pipeline.configs
import pipeline.kubeflow.configs
from msg_modules.common.errors import ConfigError
from pipeline.kubeflow import kfp_client, run_commands

CONFIGS = [
    config
    for module in (
        msg_modules.configs,
        pipeline.configs,
        pipeline.kubeflow.configs,
        kfp_client,
        run_commands,
    )
    for config in vars(module).values()
    if dataclasses.is_dataclass(config)
    and config.__module__ == module.__name__
    and not config.__name__.startswith("_")
]
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, -1, 2**31, 2**63, 10**400, -(10**400)]),
    st.floats(),
    st.text(),
    st.sampled_from(["", " ", "\0", "\udcff", "x" * 10_000, "train[", "#fff", "a\nb"]),
    st.binary(max_size=3),
    st.complex_numbers(),
    st.builds(object),
    st.lists(st.one_of(st.none(), st.integers(), st.text()), max_size=3),
    st.lists(st.one_of(st.none(), st.integers(), st.text()), max_size=3).map(tuple),
    st.dictionaries(st.text(), st.none(), max_size=1),
)


def _of_type(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a declared type; rarely those that are also in range."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(_of_type, arguments))
    if origin is tuple:
        return st.lists(_of_type(arguments[0]), max_size=3).map(tuple)
    if dataclasses.is_dataclass(kind):
        return st.builds(kind, **_required(kind))
    return st.from_type(kind)


def _required(config: type) -> dict[str, st.SearchStrategy[Any]]:
    """Valid values of the fields without a default."""
    kinds = typing.get_type_hints(config)
    return {
        field.name: st.just("http://x")
        if field.name == "host"
        else _of_type(kinds[field.name])
        for field in dataclasses.fields(config)
        if field.default is field.default_factory is dataclasses.MISSING
    }


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
@hypothesis.given(data=st.data())
def test_any_value_is_taken_or_refused_in_a_line(config: type, data: st.DataObject):
    kinds = typing.get_type_hints(config)
    names = data.draw(st.lists(st.sampled_from(list(kinds)), max_size=3, unique=True))
    values = {
        name: data.draw(st.one_of(ANYTHING, _of_type(kinds[name])), label=name)
        for name in names
    }
    required = {
        name: data.draw(strategy)
        for name, strategy in _required(config).items()
        if name not in values
    }
    try:
        made = config(**required, **values)
    except ConfigError as e:
        message = str(e)
        assert "\n" not in message
        assert any(name in message for name in kinds), message
        assert "must be" in message or "; " in message, message
        return
    # The settings travel to the steps as JSON.
    text = json.dumps(
        dataclasses.asdict(made),
        allow_nan=False,
        ensure_ascii=False,
        default=os.fspath,
    )
    assert "\\u0000" not in text
    text.encode()
