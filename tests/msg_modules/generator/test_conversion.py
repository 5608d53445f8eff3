"""ONNX and LiteRT files draw what the SavedModel draws, each in its own runtime."""

from __future__ import annotations

import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf
from specs import FASHION

from msg_modules import cli
from msg_modules.gan import networks
from msg_modules.generator import export, sampling

# Of values in [-1, 1]; a level of a picture is 0.008.
TOLERANCE = 1e-5
SIZES = (7, 14, 28)


@pytest.fixture(scope="module")
def tutorial_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A serving directory with the article's network, fresh."""
    directory = tmp_path_factory.mktemp("tutorial")
    generator, _ = networks.build("tutorial", 100, FASHION)
    export.export(generator, 100, str(directory / "3"))
    return directory


@pytest.fixture(
    params=[
        "serving_dir",
        pytest.param("tutorial_dir", marks=pytest.mark.slow),
        "conditional_dir",
    ]
)
def model(request: pytest.FixtureRequest) -> pathlib.Path:
    return request.getfixturevalue(request.param)


def _export(model: pathlib.Path, output: pathlib.Path, *more: object) -> int:
    arguments = ["export", "--model", model, "--output", output, *more]
    return cli.main([str(argument) for argument in arguments])


def _inputs(generator: sampling.Generator, count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(count)
    latents = rng.normal(size=[count, generator.latent_dim])
    inputs = {"latents": latents.astype(np.float32)}
    if len(generator.classes):
        inputs["labels"] = rng.integers(len(generator.classes), size=count)
    return inputs


def _wanted(
    generator: sampling.Generator, inputs: dict[str, np.ndarray]
) -> list[np.ndarray]:
    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    images = generator.model.signatures["serving_default"](**tensors)
    return [images[f"image_{size}"].numpy() for size in SIZES]


def test_onnx_runtime_draws_the_same_images_of_any_number_of_latents(
    model: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    onnxruntime = pytest.importorskip("onnxruntime")
    output = tmp_path / "new" / "generator.onnx"

    assert _export(model, output, "--format", "onnx") == 0

    assert f"{output.stat().st_size:,} bytes" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(
        str(output), providers=["CPUExecutionProvider"]
    )
    generator = sampling.load_generator(model)
    names = [f"image_{size}" for size in SIZES]
    for count in (1, 5):
        inputs = _inputs(generator, count)
        drawn = session.run(names, inputs)
        for images, wanted in zip(drawn, _wanted(generator, inputs), strict=True):
            np.testing.assert_allclose(images, wanted, atol=TOLERANCE)


@pytest.mark.parametrize("count", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_litert_draws_the_same_images(
    model: pathlib.Path, tmp_path: pathlib.Path, count: int
):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    output = tmp_path / "generator.tflite"

    assert _export(model, output, "--format", "tflite", "--batch-size", count) == 0

    run = interpreter.Interpreter(str(output)).get_signature_runner("serving_default")
    generator = sampling.load_generator(model)
    inputs = _inputs(generator, count)
    drawn = run(**inputs)
    assert set(drawn) == {f"image_{size}" for size in SIZES}
    for size, wanted in zip(SIZES, _wanted(generator, inputs), strict=True):
        np.testing.assert_allclose(drawn[f"image_{size}"], wanted, atol=TOLERANCE)


@pytest.mark.slow
def test_a_label_out_of_range_is_refused_as_by_the_savedmodel(
    conditional_dir: pathlib.Path, tmp_path: pathlib.Path
):
    onnxruntime = pytest.importorskip("onnxruntime")
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    onnx, litert = tmp_path / "generator.onnx", tmp_path / "generator.tflite"
    assert _export(conditional_dir, onnx, "--format", "onnx") == 0
    assert _export(conditional_dir, litert, "--format", "tflite") == 0
    latents = np.zeros([1, 8], np.float32)

    session = onnxruntime.InferenceSession(
        str(onnx), providers=["CPUExecutionProvider"]
    )
    run = interpreter.Interpreter(str(litert)).get_signature_runner("serving_default")
    for label in (-1, 3):
        inputs = {"latents": latents, "labels": np.array([label])}
        with pytest.raises(Exception, match="out of data bounds"):
            session.run(None, inputs)
        with pytest.raises(RuntimeError, match="out of bounds"):
            run(**inputs)


@pytest.mark.parametrize("format", ["onnx", "tflite"])
def test_an_existing_file_is_overwritten_only_when_forced(
    serving_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
    format: str,
):
    output = tmp_path / "generator"
    output.write_bytes(b"precious")

    assert _export(serving_dir, output, "--format", format) == 2
    assert "--force" in capsys.readouterr().err
    assert output.read_bytes() == b"precious"
    assert _export(serving_dir, output, "--format", format, "--force") == 0
    assert output.stat().st_size > 100_000
    assert list(tmp_path.iterdir()) == [output]


def test_without_the_extra_it_is_named(
    serving_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)

    assert _export(serving_dir, tmp_path / "g.onnx", "--format", "onnx") == 2

    assert "uv sync --extra onnx" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_batch_size_that_no_file_has_is_refused(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    status = _export(tmp_path, tmp_path / "g", "--format", "tflite", "--batch-size", 0)

    assert status == 2
    assert "batch_size is 0" in capsys.readouterr().err


def test_no_model_is_told(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture):
    assert _export(tmp_path / "none", tmp_path / "g", "--format", "onnx") == 2
    assert str(tmp_path / "none") in capsys.readouterr().err
