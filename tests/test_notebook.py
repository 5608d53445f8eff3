"""The notebook runs as Jupyter runs it, beside what the quickstart leaves."""

from __future__ import annotations

import base64
import io
import pathlib
import shutil

import nbclient
import nbformat
import numpy as np
import PIL.Image
import pytest
from specs import FASHION

from msg_modules.data.class_spec import ClassSpec
from msg_modules.gan import networks
from msg_modules.generator import export

NOTEBOOK = pathlib.Path(__file__).parents[1] / "examples" / "generator.ipynb"


@pytest.mark.slow
@pytest.mark.parametrize("classes", [ClassSpec(), ClassSpec(("a", "b"), (0.4, 0.6))])
def test_the_notebook_draws(tmp_path: pathlib.Path, classes: ClassSpec):
    generator, _ = networks.build("compact", 8, FASHION, num_classes=len(classes))
    for version in ("9", "10"):
        serving = tmp_path / "output" / "quickstart" / "serving"
        export.export(generator, 8, str(serving / version), classes)
    place = tmp_path / "examples"
    place.mkdir()
    shutil.copy(NOTEBOOK, place)
    notebook = nbformat.read(place / NOTEBOOK.name, as_version=4)

    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(place)}}
    ).execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    printed = "".join(output.get("text", "") for output in outputs)
    assert "version 10, latents of length 8" in printed
    pictures = [
        np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
        for data in (output.get("data", {}) for output in outputs)
        if "image/png" in data
    ]
    # A sample, scales, truncation, walks and a mixed batch; none of one grey.
    assert len(pictures) == 5
    assert all(picture[..., 0].std() > 1 for picture in pictures)
    assert PIL.Image.open(place / "first.png").size == (28, 28)


def test_the_notebook_is_kept_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)

    assert all(
        not cell.outputs and cell.execution_count is None
        for cell in notebook.cells
        if cell.cell_type == "code"
    )
