"""Deferred imports, and what starting the pipeline may load."""

from __future__ import annotations

import importlib
import pathlib
import subprocess
import sys
import threading
import types

import pytest

from msg_modules.common import import_hooks, lazy_imports

_REPOSITORY = pathlib.Path(__file__).parents[3]

# None of it is needed to start a pipeline, a step of it or a command.
_UNUSED = [
    "docker.client",
    "google.cloud.aiplatform",
    "google.cloud.bigquery.client",
    "ipywidgets",
    "kfp.client",
    "kfp.dsl",
    "kubernetes_validate",
    "matplotlib.figure",
    "sklearn.base",
    "tensorflow_model_analysis.api",
    "tfx.components.bulk_inferrer",
    "tfx.components.evaluator.executor",
    "tfx.components.infra_validator",
    "tfx.v1",
]


_STARTS = {
    "local run": (
        "import components.tfds_example_gen.resolution, pipeline.pipeline\n"
        "import pipeline.local.runner"
    ),
    "Kubeflow step": (
        "import pipeline.kubeflow.entrypoint\n"
        "from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor"
    ),
    "Kubeflow compiler": "import pipeline.kubeflow.compiler",
    "msg-gan sample": "import tensorflow, msg_modules.generator.sampling",
}
# TFX's entry point compares each executor with the Evaluator's.
_TFX_NEEDS = {
    "Kubeflow step": {
        "tensorflow_model_analysis.api",
        "tfx.components.evaluator.executor",
    }
}


@pytest.mark.slow
@pytest.mark.parametrize("start", list(_STARTS))
def test_starting_loads_nothing_that_is_not_used(start: str):
    script = (
        f"import msg_modules, sys\n{_STARTS[start]}\nprint(*sys.modules, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=_REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    loaded = set(_UNUSED) & set(done.stdout.split())
    assert sorted(loaded - _TFX_NEEDS.get(start, set())) == []


@pytest.fixture
def package(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> types.ModuleType:
    """A deferred package that records how often it is run."""
    name = "deferred_for_a_test"
    directory = tmp_path / name
    directory.mkdir()
    (directory / "__init__.py").write_text(
        "import builtins, time\n"
        "builtins.runs.append(1)\n"
        "if len(builtins.runs) == 1 and builtins.fails: raise ImportError('no disk')\n"
        "time.sleep(0.2)\n"
        "from . import inner\n"
        "value = inner.value + 1\n"
        "__version__ = '7'\n"
    )
    (directory / "inner.py").write_text("value = 1\n")
    monkeypatch.setattr("builtins.runs", [], raising=False)
    monkeypatch.setattr("builtins.fails", False, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    hook = import_hooks.Hook([name], lazy_imports.LazyLoader)
    monkeypatch.setattr(sys, "meta_path", [hook, *sys.meta_path])
    yield importlib.import_module(name)
    for module in [name, f"{name}.inner"]:
        sys.modules.pop(module, None)


def _runs() -> int:
    import builtins

    return len(builtins.runs)


def test_a_submodule_is_imported_without_its_package(package: types.ModuleType):
    inner = importlib.import_module(f"{package.__name__}.inner")
    assert inner.value == 1
    assert package.inner is inner
    assert _runs() == 0


def test_the_first_attribute_runs_the_package_once(package: types.ModuleType):
    assert package.value == 2
    assert package.__version__ == "7"
    assert not hasattr(package, "missing")
    assert _runs() == 1


def test_a_module_that_is_no_package_is_run_too(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    name = "deferred_module_for_a_test"
    (tmp_path / f"{name}.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    hook = import_hooks.Hook([name], lazy_imports.LazyLoader)
    monkeypatch.setattr(sys, "meta_path", [hook, *sys.meta_path])
    module = importlib.import_module(name)
    try:
        assert module.value == 1
        assert not hasattr(module, "missing")
    finally:
        del sys.modules[name]


def test_import_star_finds_what_the_package_defines(package: types.ModuleType):
    names: dict[str, object] = {}
    exec(f"from {package.__name__} import *", names)
    assert names["value"] == 2


def test_threads_see_the_whole_package(package: types.ModuleType):
    seen = []
    threads = [
        threading.Thread(target=lambda: seen.append(package.value)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [2] * 8
    assert _runs() == 1


def test_an_import_that_failed_is_tried_again(
    package: types.ModuleType, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("builtins.fails", True)
    with pytest.raises(ImportError, match="no disk"):
        _ = package.value
    assert package.value == 2
