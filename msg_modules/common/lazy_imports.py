"""Packages whose import is put off until something of them is used.

TFX imports all its components, and with them clients of Google Cloud, Kubernetes and
databases, for a pipeline that needs few: two thirds of the time that it takes to start.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
import types
from collections.abc import Sequence

# What TFX, TFDV and Beam import at their top and this project seldom or never uses.
TFX_EXTRAS = (
    "IPython",
    "docker",
    "google.cloud.bigquery",
    "google.cloud.bigquery_storage_v1",
    "google.cloud.pubsub",
    "keras._tf_keras.keras.wrappers",
    "keras.wrappers",
    "matplotlib",
    "matplotlib.pyplot",
    "sklearn",
    "sklearn.metrics",
    "tensorflow_model_analysis",
    "tfx.components",
)


def install(names: Sequence[str] = TFX_EXTRAS) -> None:
    """Makes packages lazy that are not imported yet.

    A lazy package is there at once, and so are its submodules: `import a.b` runs `a.b`,
    but not `a/__init__.py`. That runs when something else is asked of the package.

    Args:
      names: Import paths of packages.
    """
    if not any(isinstance(finder, _LazyFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LazyFinder(names))


class _LazyFinder(importlib.abc.MetaPathFinder):
    """Finds the packages as everybody does, and gives them a lazy loader."""

    def __init__(self, names: Sequence[str]):
        self._names = frozenset(names)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec and spec.loader:
            spec.loader = _LazyLoader(spec.loader)
        return spec


class _LazyLoader(importlib.abc.Loader):
    """Runs a module's code at the first attribute that needs it."""

    def __init__(self, loader: importlib.abc.Loader):
        self._loader = loader
        self._lock = threading.RLock()
        self._started = self._finished = False

    def exec_module(self, module: types.ModuleType) -> None:
        def load(attribute: str) -> object:
            submodule = f"{module.__name__}.{attribute}"
            if hasattr(module, "__path__") and importlib.util.find_spec(submodule):
                return importlib.import_module(submodule)
            with self._lock:  # Other threads wait until the module is complete.
                if not self._started:
                    self._started = True
                    self._loader.exec_module(module)
                    self._finished = True
                    if module.__getattr__ is load:  # and not one of its own
                        del module.__getattr__
            if self._finished:
                return getattr(module, attribute)
            raise AttributeError(attribute)  # As in any half-imported module.

        module.__getattr__ = load  # type: ignore[method-assign]
