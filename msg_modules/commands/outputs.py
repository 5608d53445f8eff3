"""What commands write: never over a file that is there, never half of one."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msg_modules.common import console, signals
from msg_modules.common.errors import ConfigError, RunError

if TYPE_CHECKING:
    import PIL.Image

ARCHIVE_SUFFIX = ".npz"
VIDEO_SUFFIX = ".mp4"
_MAX_PICTURES = 10_000


def check_count(num_images: int) -> None:
    """Checks how many images one picture shall hold.

    Raises:
      ConfigError: If there are too few or too many.
    """
    if not 0 < num_images <= _MAX_PICTURES:
        raise ConfigError(
            f"num_images is {num_images}; it must be between 1 and {_MAX_PICTURES}"
            " for a picture."
        )


def check_free(output: pathlib.Path, force: bool) -> None:
    """Checks that nothing is overwritten unasked.

    Raises:
      ConfigError: If the file exists and is not to be overwritten.
    """
    if output.exists() and not force:
        raise ConfigError(f"{str(output)!r} exists; --force overwrites it.")


def check_name(
    output: pathlib.Path, examples: str, animated: bool = False, *others: str
) -> None:
    """Checks that the ending of a name tells a format.

    Args:
      output: The file to write.
      examples: Names that a user may take for an example.
      animated: Pillow must be able to animate it.
      *others: Endings that are written without Pillow.

    Raises:
      ConfigError: If it is none that can be written.
    """
    from PIL import Image

    Image.init()
    formats = Image.SAVE_ALL if animated else Image.SAVE
    suffix = output.suffix.lower()
    if suffix not in others and Image.EXTENSION.get(suffix) not in formats:
        raise ConfigError(
            f"output is {str(output)!r}; its name must end as in {examples}."
        )


@contextlib.contextmanager
def writing(output: pathlib.Path) -> Iterator[None]:
    """Cleans up after Ctrl-C and SIGTERM, and says what the file system refuses.

    Raises:
      Interrupted: If a signal has come.
      RunError: If the file cannot be written.
    """
    try:
        with signals.caught():
            yield
    except OSError as e:
        raise RunError(f"{str(output)!r} cannot be written: {e}") from e


def save(picture: PIL.Image.Image, output: pathlib.Path) -> None:
    """Writes a picture and says so."""
    from msg_modules.pictures import sheets

    with writing(output):
        sheets.save_image(picture, output)
    console.say(f"{output}: {picture.width} x {picture.height} pixels")
