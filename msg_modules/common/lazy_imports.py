"""Deferred imports of packages that the libraries load and this project rarely uses.

TFX imports all its components, and with them the clients of Google Cloud, Docker and
Kubernetes: two thirds of the time it takes to start, for a pipeline that needs none.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import threading
import types
from collections.abc import Collection

from msg_modules.common import import_hooks

# Imported by TFX, TFDV, TFDS, Beam or Keras, and not needed to start a pipeline. Only
# packages whose submodules can be imported before the package itself: scikit-learn's,
# for example, cannot.
DEFERRED = (
    "IPython",
    "docker",
    "google.cloud.bigquery",
    "google.cloud.bigquery_storage_v1",
    "google.cloud.pubsub",
    "keras._tf_keras.keras.wrappers",
    "keras.wrappers",
    "kfp",
    "kubernetes",
    "matplotlib.pyplot",
    "tensorflow_model_analysis",
    "tfx.components",
)


def install(names: Collection[str] = DEFERRED) -> None:
    """Defers the imports of modules that are not imported yet.

    Importing a deferred module does not run it; the first access to one of its
    attributes does. Submodules work without it: `import a.b` runs `a/b.py` but not
    `a/__init__.py`.

    Args:
      names: Import paths of modules or packages.
    """
    import_hooks.install(names, LazyLoader)


class LazyLoader(importlib.abc.Loader):
    """Runs a module's code at the first attribute that needs it."""

    def __init__(self, loader: importlib.abc.Loader):
        """Wraps the loader that runs the code."""
        self._loader = loader
        self._lock = threading.RLock()
        self._is_running = self._is_complete = False

    def exec_module(self, module: types.ModuleType) -> None:
        """Prepares a module to run when it is used."""

        def load(attribute: str) -> object:
            submodule = f"{module.__name__}.{attribute}"
            if "__path__" in vars(module) and importlib.util.find_spec(submodule):
                return importlib.import_module(submodule)
            with self._lock:  # Other threads wait until the module is complete.
                if not self._is_complete and not self._is_running:
                    self._run(module)
                    if module.__getattr__ is load:  # and not one of its own
                        del module.__getattr__
            if self._is_complete:
                return getattr(module, attribute)
            raise AttributeError(attribute)  # As in any half-imported module.

        module.__getattr__ = load  # type: ignore[method-assign]

    def _run(self, module: types.ModuleType) -> None:
        self._is_running = True
        if module.__spec__:
            module.__spec__.loader = module.__loader__ = self._loader
        try:
            self._loader.exec_module(module)
            self._is_complete = True
        finally:
            self._is_running = False
