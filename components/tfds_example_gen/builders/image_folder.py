"""A TFDS dataset made of a folder of image files."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import io
import os
import pathlib
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import PIL.Image
import PIL.ImageOps
import tensorflow_datasets as tfds

from msg_modules.common.errors import RunError

DATASET = "folder"
_VERSION = "1.0.0"
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
_TEST_SHARE = 0.1
# Longer images are stored smaller: nobody trains on them at their own size here.
_LONGEST_SHORT_SIDE = 1024
_SHOWN_FILES = 3
_HASH_BYTES = 8
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L")


@dataclasses.dataclass(frozen=True)
class Found:
    """An image file.

    Attributes:
      path: Relative to the folder.
      split: `train` or `test`.
      label: Its class, the name of the sub-folder it is in; None without classes.
      size: Width and height.
      is_grey: Whether it has no colours.
    """

    path: str
    split: str
    label: str | None
    size: tuple[int, int]
    is_grey: bool


@dataclasses.dataclass
class Scan:
    """What is in a folder.

    Attributes:
      folder: The folder.
      found: The files that seem to be images.
      broken: Path -> reason, for the others; grows when images do not decode.
    """

    folder: pathlib.Path
    found: list[Found]
    broken: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def classes(self) -> list[str]:
        """The names of the classes, sorted; empty without classes."""
        return sorted({file.label for file in self.found if file.label is not None})

    @property
    def shape(self) -> tuple[int | None, int | None, int]:
        """Height, width and channels; None for sides that differ between images."""
        sizes = {file.size for file in self.found}
        width, height = sizes.pop() if len(sizes) == 1 else (None, None)
        return height, width, 1 if all(file.is_grey for file in self.found) else 3

    def check(self, max_broken: float) -> None:
        """Checks that not too many files are broken.

        Args:
          max_broken: Largest fraction that may be broken, in [0, 1).

        Raises:
          RunError: If there are more.
        """
        total = len({*self.broken, *(file.path for file in self.found)})
        if len(self.broken) > max_broken * total:
            raise RunError(
                f"{len(self.broken):,} of {total:,} image files in {str(self.folder)!r}"
                f" cannot be read ({self.describe_broken()}), more than"
                f" {max_broken:.0%}; repair or remove them, or use a larger"
                " --data.max-broken."
            )

    def describe_broken(self) -> str:
        """Names the first broken files, with the reasons."""
        first = list(self.broken.items())[:_SHOWN_FILES]
        names = "; ".join(f"{path}: {reason}" for path, reason in first)
        return names + ("; ..." if len(self.broken) > len(first) else "")


@dataclasses.dataclass
class FolderConfig(tfds.core.BuilderConfig):
    """TFDS's configuration of a folder: a name that stands for its content."""

    scan: Scan | None = None
    max_broken: float = 0.0


def dataset_name(folder: pathlib.Path) -> str:
    """Names the dataset of a folder; the name changes with the folder's content.

    It covers the paths, sizes and modification times of the image files.

    Args:
      folder: The folder.

    Returns:
      A TFDS name with config and version: `folder/shoes-0123456789abcdef:1.0.0`.

    Raises:
      RunError: If there are no images.
    """
    paths = _list_images(folder)
    if not paths:
        raise RunError(
            f"There are no images in {str(folder)!r}; use a folder with files that end"
            f" in {', '.join(_SUFFIXES)}."
        )
    digest = hashlib.sha256(os.fsencode(folder))
    for path in paths:
        state = (folder / path).stat()
        digest.update(f"\0{path}\0{state.st_size}\0{state.st_mtime_ns}".encode())
    words = re.sub(r"[^a-z0-9]+", "_", folder.name.lower()).strip("_") or "images"
    return f"{DATASET}/{words}-{digest.hexdigest()[:16]}:{_VERSION}"


def make_builder(
    dataset: str, folder: pathlib.Path, data_dir: str | None, max_broken: float
) -> ImageFolder:
    """Reads a folder, and creates the builder that prepares its dataset.

    Args:
      dataset: The result of `dataset_name`.
      folder: The folder.
      data_dir: Directory of prepared datasets; None for TFDS's default.
      max_broken: Largest fraction of files that may be broken, in [0, 1).

    Raises:
      RunError: If more files are broken, or there are too few images.
    """
    scan = scan_folder(folder, max_broken)
    config = FolderConfig(
        name=dataset.partition("/")[2].partition(":")[0],
        description=f"Images of {str(folder)!r}.",
        scan=scan,
        max_broken=max_broken,
    )
    return ImageFolder(config=config, data_dir=data_dir)


def scan_folder(folder: pathlib.Path, max_broken: float) -> Scan:
    """Reads the headers of all images in a folder.

    Args:
      folder: The folder.
      max_broken: Largest fraction of files that may be broken, in [0, 1).

    Raises:
      RunError: If more files are broken, there are too few images, or it is not clear
        which classes they belong to.
    """
    paths = _list_images(folder)
    labels = _labels(folder, paths)
    scan = Scan(folder, [])
    for path, label in zip(paths, labels, strict=True):
        try:
            content = (folder / path).read_bytes()
            with _opened(content) as image:
                size, mode = image.size, image.mode
                if image.getexif().get(_ORIENTATION, 1) in _TURNED:
                    size = size[::-1]
        except _UNREADABLE as e:
            scan.broken[path] = _reason(e)
            continue
        is_grey = mode in _GREY_MODES
        scan.found.append(Found(path, _split_of(content), label, size, is_grey))
    scan.check(max_broken)
    counts = collections.Counter(file.split for file in scan.found)
    if not (counts["train"] and counts["test"]):
        raise RunError(
            f"{str(folder)!r} has only {len(scan.found)} image(s), too few to hold out"
            f" {_TEST_SHARE:.0%} of them for the test split; add more."
        )
    return scan


_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
# Pillow raises nearly anything for damaged files.
_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    MemoryError,
    PIL.Image.DecompressionBombError,
)


def _opened(content: bytes) -> PIL.Image.Image:
    """Opens an image; Pillow refuses those of more than 179 million pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        return PIL.Image.open(io.BytesIO(content))


def _reason(error: BaseException) -> str:
    if isinstance(error, PIL.UnidentifiedImageError):
        return "not an image"
    return (str(error).strip() or type(error).__name__).splitlines()[0][:100]


def _list_images(folder: pathlib.Path) -> list[str]:
    """Lists the images in a folder by their suffix, sorted; skips hidden files."""
    found = []
    for directory, names, files in os.walk(folder):
        names[:] = [name for name in names if not name.startswith(".")]
        place = pathlib.Path(directory).relative_to(folder)
        found += [
            (place / name).as_posix()
            for name in files
            if name.lower().endswith(_SUFFIXES) and not name.startswith(".")
        ]
    return sorted(found)


def _labels(folder: pathlib.Path, paths: Sequence[str]) -> list[str | None]:
    """Returns the class of each image: its first sub-folder, if there are several.

    Raises:
      RunError: If some images are in class folders and others beside them.
    """
    places = [path.partition("/")[0] if "/" in path else None for path in paths]
    classes = {place for place in places if place is not None}
    if len(classes) < 2:
        return [None] * len(paths)
    beside = places.count(None)
    if beside:
        raise RunError(
            f"{str(folder)!r} has {len(classes)} sub-folders, one a class, but"
            f" {beside:,} image(s) lie beside them; move those into a sub-folder, or"
            " all images into the folder itself."
        )
    return list(places)


def _split_of(content: bytes) -> str:
    """Chooses a split by a hash of the content, so that new files move no others."""
    digest = hashlib.blake2b(content, digest_size=_HASH_BYTES).digest()
    place = int.from_bytes(digest, "big") / 256**_HASH_BYTES
    return "test" if place < _TEST_SHARE else "train"


def to_png(content: bytes) -> bytes:
    """Converts an image file to a PNG of 8 bits, with alpha if it has some.

    The first frame of an animation is taken, an orientation noted in the file is
    applied, 16 bits are scaled to 8, CMYK and palettes become RGB, and images whose
    shorter side exceeds 1024 pixels are shrunk to that.

    Args:
      content: PNG, JPEG, WebP or GIF.

    Raises:
      OSError: If it does not decode; also one of `_UNREADABLE`.
    """
    with _opened(content) as image:
        # JPEG is decoded at a fraction of its size if that is enough.
        image.draft(None, (_LONGEST_SHORT_SIDE,) * 2)
        image.load()
        picture = PIL.ImageOps.exif_transpose(image)
    picture = _to_8_bits(picture)
    factor = _LONGEST_SHORT_SIDE / min(picture.size)
    if factor < 1:
        size = [max(1, round(side * factor)) for side in picture.size]
        picture = picture.resize(size, PIL.Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "png")
    return buffer.getvalue()


def _to_8_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    if picture.mode.startswith(("I", "F")):
        levels = np.asarray(picture, np.float64) / 257.0
        return PIL.Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))
    if picture.mode in ("L", "LA", "RGB", "RGBA"):
        has_key = picture.mode in ("L", "RGB") and "transparency" in picture.info
        return picture.convert("RGBA") if has_key else picture
    if picture.mode == "1":
        return picture.convert("L")
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


class ImageFolder(  # type: ignore[call-arg]
    tfds.core.GeneratorBasedBuilder, skip_registration=True
):
    """Prepares the images of a folder.

    A prepared dataset is read by its name alone (`dataset_name`), without the folder.
    """

    name = DATASET
    VERSION = tfds.core.Version(_VERSION)
    RELEASE_NOTES: ClassVar[dict[str, str]] = {_VERSION: "First release."}
    BUILDER_CONFIGS: ClassVar[list[FolderConfig]] = []

    @property
    def scan(self) -> Scan:
        """What is in the folder."""
        assert isinstance(self.builder_config, FolderConfig)
        assert self.builder_config.scan is not None
        return self.builder_config.scan

    def _info(self) -> tfds.core.DatasetInfo:
        features: dict[str, Any] = {
            "image": tfds.features.Image(shape=self.scan.shape, encoding_format="png")
        }
        if self.scan.classes:
            features["label"] = tfds.features.ClassLabel(names=self.scan.classes)
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.builder_config.description,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label") if self.scan.classes else None,
            disable_shuffling=False,
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        del dl_manager
        return {split: self._generate_examples(split) for split in ("train", "test")}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the images that decode; TFDS shuffles them by their paths."""
        for file in self.scan.found:
            if file.split != split:
                continue
            try:
                png = to_png((self.scan.folder / file.path).read_bytes())
            except _UNREADABLE as e:
                self.scan.broken[file.path] = _reason(e)
                self.scan.check(self.builder_config.max_broken)
                continue
            example: dict[str, Any] = {"image": io.BytesIO(png)}
            if file.label is not None:
                example["label"] = file.label
            yield file.path, example
