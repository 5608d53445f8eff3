"""Changes to how a module of a library is imported."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Collection, Sequence

Wrap = Callable[[importlib.abc.Loader], importlib.abc.Loader]


def install(names: Collection[str], wrap: Wrap) -> None:
    """Wraps the loaders of modules that are not imported yet.

    Args:
      names: Import paths of modules or packages.
      wrap: Takes the loader of a module and returns the one to use. A second call with
        the same function has no effect.
    """
    hooks = [hook for hook in sys.meta_path if isinstance(hook, Hook)]
    if wrap not in [hook.wrap for hook in hooks]:
        sys.meta_path.insert(0, Hook(names, wrap))


class Hook(importlib.abc.MetaPathFinder):
    """Finds modules in the usual place and wraps their loaders."""

    def __init__(self, names: Collection[str], wrap: Wrap):
        """Creates the hook; see `install`."""
        self.names = frozenset(names)
        self.wrap = wrap

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Finds a module; see `importlib.abc.MetaPathFinder`."""
        if fullname not in self.names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec and spec.loader:
            spec.loader = self.wrap(spec.loader)
        return spec
