"""Arrays that do not fit into memory, as NumPy's NPZ."""

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
    """Writes arrays a batch at a time; `numpy.load` reads them.

    A zip file takes one member after the other, and a batch holds a part of each:
    the members are gathered in files beside the archive first.

    Args:
      path: The archive; made beside its place and renamed there.
      length: The first axis of all arrays when the last batch is written.
      batches: Name -> `[batch, ...]`; the same names, types and further axes each
        time.

    Raises:
      OSError: If it cannot be written.
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
