"""Telling the cache which code a step ran."""

import hashlib
import pathlib
import types

_SOURCES = (".html", ".md", ".py")


def source_fingerprint(*modules: types.ModuleType) -> str:
    """A hash of the source of modules and packages.

    TFX caches by a component's parameters, and a function that is named by its
    import path says nothing about its body. With this among the parameters an
    edit reruns the step.

    Args:
      *modules: Modules, or packages with all that is in them.

    Returns:
      Sixteen hexadecimal digits.
    """
    digest = hashlib.sha256()
    for module in modules:
        path = pathlib.Path(module.__file__ or "")
        files = [path]
        if path.stem == "__init__":
            files = sorted(
                file for file in path.parent.rglob("*.*") if file.suffix in _SOURCES
            )
        for file in files:
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
