"""Arrays that are larger than memory, in temporary files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from msg_modules.common.errors import RunError


class MappedRows:
    """Writes the rows of an array to a temporary file, and maps it into memory.

    Only the operating system's page cache holds rows, for as long as nothing else needs
    the memory. The file has no name, so it disappears with the array, or with the
    process, however that ends.
    """

    def __init__(self, shape: Sequence[int], dtype: npt.DTypeLike):
        """Creates the file, in the directory that TMPDIR names.

        Args:
          shape: Shape of a row.
          dtype: Type of the elements.

        Raises:
          OSError: If there is no directory for temporary files.
        """
        self._file = tempfile.TemporaryFile()  # noqa: SIM115, closed by finish
        self._shape = tuple(shape)
        self._dtype = np.dtype(dtype)
        self._num_rows = 0

    def append(self, rows: np.ndarray) -> None:
        """Writes rows, `[num_rows, *shape]`.

        Raises:
          OSError: If the file cannot grow.
        """
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)
        self._num_rows += len(rows)

    def finish(self) -> np.ndarray:
        """Returns all rows, read-only; call it once.

        Raises:
          OSError: If the file cannot grow.
        """
        with self._file:
            self._file.flush()
            if not self._num_rows:  # A file without content cannot be mapped.
                return np.empty([0, *self._shape], self._dtype)
            shape = (self._num_rows, *self._shape)
            # As a plain array, which is faster to index.
            return np.asarray(np.memmap(self._file, self._dtype, "r", shape=shape))


def no_space(num_bytes: int, content: str, reason: OSError) -> RunError:
    """Describes that a temporary file could not be written.

    Args:
      num_bytes: What was needed.
      content: What was to be written, in the plural.
      reason: The error.
    """
    try:
        place = f"the temporary directory {tempfile.gettempdir()!r}"
    except OSError:
        place = "a temporary directory"
    return RunError(
        f"The {content} need {num_bytes:,} bytes in {place}, which cannot be written"
        f" ({reason.strerror or reason}); set TMPDIR to a directory with more space."
    )
