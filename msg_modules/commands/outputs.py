"""Output files of commands: no overwriting without --force, no partial files."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msg_modules.common import console, signals
from msg_modules.common.errors import ConfigError, RunError, explain

if TYPE_CHECKING:
    import PIL.Image

ARCHIVE_SUFFIX = ".npz"
VIDEO_SUFFIX = ".mp4"
_MAX_PICTURES = 10_000


def check_count(num_images: int, num_classes: int = 1) -> None:
    """Checks the number of images of each class for one picture.

    Raises:
      ConfigError: If there are none, or more than 10,000 altogether.
    """
    most = _MAX_PICTURES // num_classes
    if not 0 < num_images <= most:
        raise ConfigError(
            f"num_images is {num_images}; it must be between 1 and {most}"
            " for a picture."
        )


def check_free(output: pathlib.Path, force: bool) -> None:
    """Checks that an existing file is only overwritten with --force.

    Raises:
      ConfigError: If the file exists and `force` is not set.
    """
    if output.exists() and not force:
        raise ConfigError(f"{str(output)!r} exists; use --force to overwrite it.")


def check_name(
    output: pathlib.Path, examples: str, animated: bool = False, *others: str
) -> None:
    """Checks that a file's suffix is a format that can be written.

    Args:
      output: The file to write.
      examples: Example names for the error message.
      animated: Whether the format must support animation.
      *others: Suffixes that are written without Pillow.

    Raises:
      ConfigError: If the format cannot be written.
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
    """Turns Ctrl-C, SIGTERM and I/O errors in the block into our exceptions.

    Raises:
      Interrupted: If a signal was received.
      RunError: If the file cannot be written.
    """
    try:
        with signals.caught("Nothing was written."):
            yield
    except OSError as e:
        reason = f"{str(output)!r} cannot be written: {explain(e)}"
        raise RunError(reason) from e


def save(picture: PIL.Image.Image, output: pathlib.Path) -> None:
    """Writes a picture and prints its path and size."""
    from msg_modules.pictures import sheets

    with writing(output):
        sheets.save_image(picture, output)
    console.say(f"{output}: {picture.width} x {picture.height} pixels")
