"""Hashes the code that a component runs, for its cache key.

TFX caches a component's outputs by its parameters and inputs. It knows executors and
functions by import path only and does not notice when their code changes. So a hash of
the code is added as a parameter: an edit reruns the component and those downstream.
"""

from __future__ import annotations

import functools
import hashlib
import pathlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import grimp

from msg_modules.common import signals

if TYPE_CHECKING:
    from tfx.dsl.components.base import base_component

_PACKAGES = ("components", "msg_modules", "pipeline")
_ROOT = pathlib.Path(__file__).parents[1]
# Bytecode, and editors' backup and swap files.
_IGNORED = re.compile(r"(^|/)(__pycache__|\.)|~$")
# Exec properties that give TFX components one of our functions by import path.
_FUNCTIONS = ("preprocessing_fn", "run_fn")


def add_code(component: base_component.BaseComponent) -> None:
    """Adds the exec property `code`, a hash of the code that the component may run.

    Components that run only TFX's code are left unchanged.

    Args:
      component: Changed in place.
    """
    properties = component.exec_properties
    code = hash_run(component.executor_spec.class_path, properties)
    if code:
        properties["code"] = code


def hash_run(executor: str, properties: Mapping[str, Any]) -> str | None:
    """Hashes the code that a component may run.

    It covers the modules of the executor and of functions given by import path, with
    everything they import.

    Args:
      executor: Import path of the executor.
      properties: The component's exec properties.

    Returns:
      16 hexadecimal digits, or None if only TFX's code is run.
    """
    paths = [executor]
    paths += [properties[name] for name in _FUNCTIONS if properties.get(name)]
    modules = [path.rpartition(".")[0] for path in paths]
    # An executor class that TFX generates from a function is in the function's module.
    ours = [name for name in modules if name.partition(".")[0] in _PACKAGES]
    return hash_imported(*ours) if ours else None


def hash_imported(*modules: str) -> str:
    """Hashes modules and everything they may import from this project.

    Imports inside functions are followed too. Each module stands for its whole package,
    including subpackages and data files.

    Args:
      *modules: Import paths.

    Returns:
      16 hexadecimal digits.
    """
    graph = _import_graph()
    return hash_packages(
        *set(modules).union(*map(graph.find_upstream_modules, modules))
    )


def hash_packages(*modules: str) -> str:
    """Hashes the packages that modules belong to.

    Args:
      *modules: Import paths of modules or packages.

    Returns:
      16 hexadecimal digits.
    """
    files = set().union(*map(_files, modules))
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file}\0".encode() + (_ROOT / file).read_bytes())
    return digest.hexdigest()[:16]


def _files(module: str) -> set[pathlib.Path]:
    """All files of a module's package, relative to the project root.

    Modules directly in a top-level package, such as configs and commands, are largely
    unrelated, so each of them stands for itself only.
    """
    top, *inner = module.split(".")[:2]
    place = _ROOT.joinpath(top, *inner)
    files = place.rglob("*") if inner and place.is_dir() else [place.with_suffix(".py")]
    named = {file.relative_to(_ROOT) for file in files if file.is_file()}
    return {
        pathlib.Path(top, "__init__.py"),
        *(name for name in named if not _IGNORED.search(name.as_posix())),
    }


@functools.cache
def _import_graph() -> grimp.ImportGraph:
    # In grimp's Rust code, an exception of a signal handler is a panic.
    with signals.held_back():
        return grimp.build_graph(
            *_PACKAGES, exclude_type_checking_imports=True, cache_dir=None
        )
