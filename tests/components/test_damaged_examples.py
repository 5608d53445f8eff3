"""The steps that read examples with Beam, when a file of them was cut."""

from __future__ import annotations

import pathlib

import pytest

from components.checked_statistics_gen import executor as checked_statistics_gen
from components.image_transform import executor as image_transform
from msg_modules.common.errors import RunError


@pytest.mark.slow
@pytest.mark.parametrize(
    "step", [checked_statistics_gen, image_transform], ids=lambda step: step.__name__
)
def test_a_file_that_is_cut_is_named(step, ingest, beam_context, swatches_dir):
    examples = ingest("swatches", swatches_dir)
    (path,) = pathlib.Path(examples.uri).glob("Split-train/*")
    written = path.read_bytes()

    for kept in (0, 20, 39, len(written) // 2):
        path.write_bytes(written[:kept])
        with pytest.raises(RunError) as caught:
            step.Executor(beam_context).Do({"examples": [examples]}, {}, {})

        message = str(caught.value)
        assert f"{str(path)!r} has {kept:,} bytes" in message
        assert f"delete {examples.uri!r}" in message
        assert len(message.splitlines()) == 1
