"""The real data, where a prepared copy is at hand."""

from __future__ import annotations

import os
import pathlib

import pytest
from local_pipeline import BLESS_ALL
from tfx.orchestration import metadata

from pipeline.local import command

pytestmark = pytest.mark.slow


def _is_prepared() -> bool:
    directory = pathlib.Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets"))
    return bool(list(directory.expanduser().glob("fashion_mnist/*/dataset_info.json")))


@pytest.mark.skipif(not _is_prepared(), reason="TFDS_DATA_DIR holds no fashion_mnist")
def test_all_of_fashion_mnist_goes_through_quickstart(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = {
        "--pipeline-root": str(tmp_path),
        "--train.steps": "20",
        "--classifier.epochs": "1",
        "--evaluate.num-images": "1000",
        "--evaluate.num-seeds": "1",
    }
    arguments = [word for flag in flags.items() for word in flag]
    assert command.main([*arguments, *BLESS_ALL]) == 0
    output = capsys.readouterr().out
    assert "Dataset fashion_mnist:" in output
    assert "garments" not in output
    connection = metadata.sqlite_metadata_connection_config(
        str(tmp_path / "metadata.sqlite")
    )
    with metadata.Metadata(connection) as handle:
        examples = handle.store.get_artifacts_by_type("Examples")
    (ingested,) = [a for a in examples if "dataset" in a.custom_properties]
    assert ingested.custom_properties["train_num_examples"].int_value == 60_000
    assert ingested.custom_properties["eval_num_examples"].int_value == 10_000
    assert list((tmp_path / "serving").glob("*/saved_model.pb"))
