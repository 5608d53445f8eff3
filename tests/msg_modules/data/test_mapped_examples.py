"""Examples in a mapped file: equal to Transform's, and gone when they should be."""

from __future__ import annotations

import io
import os
import pathlib
import resource
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from specs import FASHION
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from msg_modules.common.errors import RunError
from msg_modules.data import mapped, preprocessing, reading
from msg_modules.data.image_spec import ImageSpec

COLOUR = ImageSpec(64, 3, 5)


def _png(height: int, width: int, channels: int, seed: int) -> bytes:
    shape = [height, width, channels][: 2 + (channels > 1)]
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _transform(
    encoded: list[bytes], spec: ImageSpec, fit: str, directory: pathlib.Path
) -> dict[str, np.ndarray]:
    """Runs TensorFlow Transform on Beam, and writes what it makes as TFX does."""
    preparation = preprocessing.Preparation(spec, fit, (10, 200, 77))
    features = {
        "image": tf.io.FixedLenFeature([1], tf.string),
        "label": tf.io.FixedLenFeature([1], tf.int64),
    }
    metadata = dataset_metadata.DatasetMetadata(
        schema_utils.schema_from_feature_spec(features)
    )
    rows = [{"image": [image], "label": [n]} for n, image in enumerate(encoded)]
    with tft_beam.Context(temp_dir=str(directory / "tmp")):
        (made, made_metadata), _ = (
            rows,
            metadata,
        ) | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: preprocessing.preprocessing_fn(
                inputs, preparation.to_custom_config()
            )
        )
    coder = tft.coders.ExampleProtoCoder(made_metadata.schema)
    with tf.io.TFRecordWriter(str(directory / "part.gz"), "GZIP") as writer:
        for row in made:
            writer.write(coder.encode(row))
    return {
        key: np.stack([np.asarray(row[key], np.float32) for row in made])
        for key in spec.shapes
    }


@pytest.mark.parametrize(
    ("spec", "fit", "sizes"),
    [
        (FASHION, "pad", [(100, 61), (13, 20)]),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (FASHION, "crop", [(28, 28)]),
                (COLOUR, "crop", [(64, 64), (300, 411), (17, 40)]),
                (COLOUR, "pad", [(100, 61), (31, 64)]),
            )
        ),
    ],
)
def test_pyramids_equal_to_the_bit_those_of_transform(
    tmp_path: pathlib.Path, spec: ImageSpec, fit: str, sizes: list[tuple[int, int]]
):
    encoded = [
        _png(*sizes[seed % len(sizes)], spec.channels, seed) for seed in range(30)
    ]
    made = _transform(encoded, spec, fit, tmp_path)

    examples = reading.load_examples(str(tmp_path / "part*"))

    assert examples.spec == spec
    assert len(examples) == 30
    order = np.argsort(examples.labels)
    assert examples.labels[order].tolist() == list(range(30))
    pyramid = examples.pyramid(slice(None))
    for seen, wanted in zip(pyramid, made.values(), strict=True):
        assert seen.dtype == np.float32
        np.testing.assert_array_equal(seen, wanted)
    some = np.array([7, 2, 2, 29])
    for seen, whole in zip(examples.pyramid(some), pyramid, strict=True):
        np.testing.assert_array_equal(seen, whole[some])
    np.testing.assert_array_equal(examples.largest(some), pyramid[-1][some])
    chunks = list(examples.chunks(some))
    np.testing.assert_array_equal(np.concatenate(chunks), pyramid[-1][some])


def test_images_that_are_not_of_eight_bits_are_refused(
    tmp_path: pathlib.Path, make_pyramids: Callable, write_examples: Callable
):
    pyramid = make_pyramids(3)
    pyramid[-1][1, 5, 5, 0] += 1e-3
    write_examples(tmp_path / "part.gz", pyramid)

    with pytest.raises(
        RunError, match=r"not images of 8 bits.*0.001.*rerun the"
    ) as caught:
        reading.load_examples(str(tmp_path / "*"))

    assert "\n" not in str(caught.value)


def test_without_space_for_temporary_files_the_need_is_named(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    make_pyramids: Callable,
    write_examples: Callable,
):
    write_examples(tmp_path / "part.gz", make_pyramids(2500))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(RunError, match="TMPDIR") as caught:
            reading.load_examples(str(tmp_path / "*.gz"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    message = str(caught.value)
    assert f"{2500 * (28 * 28 + 8):,} bytes" in message
    assert str(tmp_path) in message
    assert "File too large" in message
    assert "\n" not in message


def test_without_a_place_for_temporary_files_the_need_is_named(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    make_pyramids: Callable,
    write_examples: Callable,
):
    write_examples(tmp_path / "part.gz", make_pyramids(3))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))

    with pytest.raises(RunError, match=r"2,376 bytes.*nowhere.*TMPDIR"):
        reading.load_examples(str(tmp_path / "*.gz"))


def test_rows_outlive_their_writer_and_cannot_be_changed():
    rows = mapped.MappedRows([3], np.int16)
    for start in range(0, 300_000, 100_000):
        rows.append(np.arange(start, start + 100_000)[:, None] + [0, 1, 2])

    array = rows.finish()
    del rows

    assert array.dtype == np.int16
    wanted = (np.arange(300_000)[:, None] + [0, 1, 2]).astype(np.int16)
    np.testing.assert_array_equal(array, wanted)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    assert mapped.MappedRows([3], np.int16).finish().shape == (0, 3)


def test_a_killed_process_leaves_no_file_and_the_images_are_no_memory_of_its_own(
    tmp_path: pathlib.Path, repository: str
):
    code = (
        "import os, re, signal, numpy as np\n"
        "from msg_modules.data.mapped import MappedRows\n"
        "def own():\n"
        "    status = open('/proc/self/status').read()\n"
        "    return int(re.search(r'RssAnon:\\s*(\\d+)', status)[1]) // 1024\n"
        "rows = MappedRows([2**20], np.uint8)\n"
        "chunk = np.ones([1, 2**20], np.uint8)\n"
        "before = own()\n"
        "for _ in range(100):\n"
        "    rows.append(chunk)\n"
        "array = rows.finish()\n"
        "print(array.sum(), own() - before, os.listdir(os.environ['TMPDIR']))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run(
        [sys.executable, "-u", "-c", code],
        capture_output=True,
        text=True,
        cwd=repository,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )

    assert run.returncode == -9
    total, grown, files = run.stdout.split(maxsplit=2)
    assert int(total) == 100 * 2**20
    assert int(grown) < 20
    assert files.strip() == "[]"
    assert list(tmp_path.iterdir()) == []
