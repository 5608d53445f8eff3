"""The hash of the code that a component runs, for its cache key.

TFX caches a component's outputs by its parameters and inputs. A class or function that
is named by its import path says nothing about its body, so the hash of the code is made
one of the parameters: an edit reruns the component and what follows.
"""

from __future__ import annotations

import functools
import hashlib
import pathlib
import re

import grimp
from tfx.dsl.components.base import base_component

_PACKAGES = ("components", "msg_modules", "pipeline")
_ROOT = pathlib.Path(__file__).parents[1]
# Byte code, and what editors leave beside the files they have open.
_IGNORED = re.compile(r"(^|/)(__pycache__|\.)|~$")
# Exec properties that name a function of ours for a component of TFX.
_FUNCTIONS = ("preprocessing_fn", "run_fn")


def add_code(component: base_component.BaseComponent) -> None:
    """Adds the exec property `code`: the hash of what the component may run.

    That is the module of its executor, and of the function it is given by name, with
    all that these import. A component that runs only code of TFX is left alone.

    Args:
      component: Changed in place.
    """
    properties = component.exec_properties
    paths = [component.executor_spec.class_path]
    paths += [properties[name] for name in _FUNCTIONS if properties.get(name)]
    modules = [path.rpartition(".")[0] for path in paths]
    # The class of an executor that TFX makes of a function is in the function's module.
    ours = [name for name in modules if name.partition(".")[0] in _PACKAGES]
    if ours:
        properties["code"] = hash_imported(*ours)


def hash_imported(*modules: str) -> str:
    """The hash of modules and of everything they may import from this project.

    Imports are followed wherever they stand, also within functions. A module counts
    with its whole package, subpackages and data files included.

    Args:
      *modules: Import paths.

    Returns:
      Sixteen hexadecimal digits.
    """
    graph = _import_graph()
    return hash_packages(
        *set(modules).union(*map(graph.find_upstream_modules, modules))
    )


def hash_packages(*modules: str) -> str:
    """The hash of the packages that modules belong to.

    Args:
      *modules: Import paths of modules or packages.

    Returns:
      Sixteen hexadecimal digits.
    """
    files = set().union(*map(_files, modules))
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file}\0".encode() + (_ROOT / file).read_bytes())
    return digest.hexdigest()[:16]


def _files(module: str) -> set[pathlib.Path]:
    """All files of a module's package, relative to the project.

    What lies directly in a top package, such as settings and command lines, has little
    in common: of these modules each counts alone.
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
    return grimp.build_graph(
        *_PACKAGES, exclude_type_checking_imports=True, cache_dir=None
    )
