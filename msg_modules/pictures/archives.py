"""Streaming NPZ writer for arrays larger than memory."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
import zipfile
from collections.abc import Iterable, Mapping

import numpy as np


def write_npz(
    path: pathlib.Path, length: int, batches: Iterable[Mapping[str, np.ndarray]]
) -> None:
    """Writes arrays batch by batch to an archive that `numpy.load` reads.

    Members of a zip file are written one after the other, but a batch has a part of
    each, so the members are first collected in temporary files next to the archive.

    Args:
      path: The archive; written to a temporary path and renamed.
      length: Total length of the first axis of all arrays.
      batches: Name -> `[batch, ...]`, with the same names, dtypes and other axes in
        each batch.

    Raises:
      OSError: If the archive cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as place:
        members = pathlib.Path(place)
        _write_members(members, length, batches)
        part = members / path.name
        with zipfile.ZipFile(part, "w") as archive:
            for member in sorted(members.glob("*.npy")):
                archive.write(member, member.name)
                member.unlink()
        part.replace(path)


def _write_members(
    directory: pathlib.Path, length: int, batches: Iterable[Mapping[str, np.ndarray]]
) -> None:
    with contextlib.ExitStack() as stack:
        files = {}
        for batch in batches:
            for name, values in batch.items():
                if name not in files:
                    file = stack.enter_context((directory / f"{name}.npy").open("wb"))
                    files[name] = file
                    header = np.lib.format.header_data_from_array_1_0(values[:0])
                    header["shape"] = (length, *values.shape[1:])
                    np.lib.format.write_array_header_1_0(file, header)
                files[name].write(values.tobytes())
