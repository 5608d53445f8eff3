"""Commands that write images: samples, interpolations, training images, sheets."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msg_modules.commands import outputs
from msg_modules.common import console
from msg_modules.common.errors import ConfigError
from msg_modules.configs import require
from msg_modules.data.image_spec import image_key
from msg_modules.pictures import scales
from msg_modules.pictures.scales import Scale
from msg_modules.runs import layout

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

    from msg_modules.generator.sampling import Generator

_MOVING = (".gif", outputs.VIDEO_SUFFIX)
_MAX_STEPS = 10_000
_ENLARGED = 4
_SHEET_IMAGES, _CLASS_IMAGES = 40, 10
_REAL, _GENERATED = "training images", "generated images"


def sample(
    model: pathlib.Path,
    output: pathlib.Path,
    num_images: int = 64,
    seed: int = 0,
    label: str | None = None,
    scale: Scale = "largest",
    truncation: float = 1.0,
    force: bool = False,
) -> None:
    """Samples images from a pushed generator.

    Args:
      model: Serving directory (its served version is used), or a version directory.
      output: Output file: a picture, e.g. grid.png; or images.npz, with no limit on the
        number of images: arrays such as `image_28`, uint8 `[N, size, size, channels]`.
      num_images: Number of images, at most 10000 in a picture.
      seed: The same seed gives the same images.
      label: Class of the images, by name or number; `msg-gan info` lists them. Default:
        a conditional generator draws classes in the training images' shares.
      scale: Image size, such as 28, `largest`, or `all` for all sizes stacked.
      truncation: Scales the latents, from 1 down to 0: less variety, fewer failures.
      force: Overwrite an existing file.
    """
    from msg_modules.generator import latents

    is_archive = output.suffix.lower() == outputs.ARCHIVE_SUFFIX
    if not is_archive:
        outputs.check_count(num_images)
    latents.check_request(num_images, seed, truncation)
    outputs.check_name(output, "grid.png or images.npz", False, outputs.ARCHIVE_SUFFIX)
    outputs.check_free(output, force)
    from msg_modules.generator import sampling
    from msg_modules.pictures import archives, sheets

    generator = sampling.load_generator(model)
    number = None if label is None else generator.classes.find(label)
    batches = _draw(generator, num_images, seed, truncation, number, scale)
    if not is_archive:
        columns = sheets.count_columns(num_images)
        outputs.save(sheets.pyramid_sheet(_join(batches), columns), output)
        return
    arrays = (
        {image_key(part.shape[1]): sheets.to_uint8(part) for part in batch}
        for batch in batches
    )
    with outputs.writing(output):
        archives.write_npz(output, num_images, arrays)
    console.say(f"{output}: {num_images:,} images")


def interpolate(
    model: pathlib.Path,
    output: pathlib.Path,
    seeds: tuple[int, ...] = (),
    labels: tuple[str, ...] = (),
    steps: int = 24,
    scale: Scale = "largest",
    truncation: float = 1.0,
    straight: bool = False,
    force: bool = False,
) -> None:
    """Interpolates between images, in latent space or from class to class.

    Seeds and labels go in pairs; one seed is kept for all labels, and one label for all
    seeds.

    Args:
      model: Serving directory (its served version is used), or a version directory.
      output: Output file: an animation, walk.gif or walk.mp4 (extra `video`); a
        picture, e.g. walk.png, with the images side by side; or walk.npz, with arrays
        such as `image_28`, uint8 `[N, size, size, channels]`.
      seeds: Interpolate between the first images that `sample` generates from these
        seeds. Repeat the first seed at the end to close the loop. Default: 0 and 1, or
        0 with several labels.
      labels: Classes of these images, by name or number; `msg-gan info` lists them.
      steps: Images from each end to the next, both ends included.
      scale: Image size, such as 28, `largest`, or `all` for all sizes stacked.
      truncation: Scales the latents, from 1 down to 0: less variety, fewer failures.
      straight: Interpolate linearly instead of along the great circle.
      force: Overwrite an existing file.
    """
    from msg_modules.generator import latents

    seeds, labels = _pair(seeds, labels)
    for seed in seeds:
        latents.check_request(1, seed, truncation)
    most = _MAX_STEPS // (len(seeds) - 1)
    require(2 <= steps <= most, "steps", steps, f"between 2 and {most}")
    suffix = output.suffix.lower()
    others = (outputs.ARCHIVE_SUFFIX, outputs.VIDEO_SUFFIX)
    outputs.check_name(output, "walk.gif, walk.png or walk.npz", False, *others)
    outputs.check_free(output, force)
    if suffix == outputs.VIDEO_SUFFIX:
        from msg_modules.pictures import video

        video.check_installed()
    import numpy as np

    from msg_modules.generator import sampling
    from msg_modules.pictures import archives, sheets

    generator = sampling.load_generator(model)
    ends = [
        generator.draw_codes(1, seed, truncation, label)[0]
        for seed, label in itertools.zip_longest(seeds, labels)
    ]
    parts = []
    for number, (start, end) in enumerate(itertools.pairwise(ends)):
        part = generator.interpolate_codes(start, end, steps, not straight)
        parts.append(part[1:] if number else part)
    pyramid = scales.choose(generator.generate(np.concatenate(parts)), scale)
    count = len(pyramid[0])
    if suffix == outputs.ARCHIVE_SUFFIX:
        arrays = {image_key(part.shape[1]): sheets.to_uint8(part) for part in pyramid}
        with outputs.writing(output):
            archives.write_npz(output, count, [arrays])
    elif suffix in _MOVING:
        frames = [
            _enlarge(sheets.pyramid_sheet([part[i : i + 1] for part in pyramid], 1))
            for i in range(count)
        ]
        with outputs.writing(output):
            if suffix == outputs.VIDEO_SUFFIX:
                video.save_video(frames, output)
            else:
                sheets.save_animation(frames, output)
    else:
        outputs.save(sheets.pyramid_sheet(pyramid, min(count, steps)), output)
        return
    console.say(f"{output}: {count} images")


def sheet(
    model: pathlib.Path,
    output: pathlib.Path,
    run: pathlib.Path | None = None,
    by_class: bool = False,
    num_images: int | None = None,
    seed: int = 0,
    truncation: float = 1.0,
    force: bool = False,
) -> None:
    """Samples images, optionally next to training images.

    All scales of an image are stacked. By class, there is a row for each class with the
    largest scale, and all images in a column have the same latents.

    Args:
      model: Serving directory (its served version is used), or a version directory.
      output: Output picture, e.g. sheet.png.
      run: Pipeline root of a run that has completed Transform, for training images.
      by_class: Show each class of a conditional generator.
      num_images: Number of images of each kind, at most 10000. Default: 40, or 10 of
        each class.
      seed: The same seed gives the same images.
      truncation: Scales the latents, from 1 down to 0: less variety, fewer failures.
      force: Overwrite an existing picture.
    """
    from msg_modules.generator import latents

    if num_images is None:
        num_images = _CLASS_IMAGES if by_class else _SHEET_IMAGES
    outputs.check_count(num_images)
    latents.check_request(num_images, seed, truncation)
    outputs.check_name(output, "sheet.png")
    outputs.check_free(output, force)
    examples = None if run is None else layout.newest_examples(run)
    from msg_modules.generator import sampling
    from msg_modules.pictures import sheets

    generator = sampling.load_generator(model)
    draw = _class_sheets if by_class else _plain_sheets
    pictures = draw(generator, examples, num_images, seed, truncation)
    outputs.save(sheets.side_by_side(list(pictures.values()), list(pictures)), output)


def real(
    run: pathlib.Path, output: pathlib.Path, num_images: int = 40, force: bool = False
) -> None:
    """Renders training images at all scales, as the discriminator sees them.

    Args:
      run: Pipeline root of a run that has completed Transform.
      output: Output picture, e.g. real.png.
      num_images: Number of images, at most 10000.
      force: Overwrite an existing picture.
    """
    outputs.check_count(num_images)
    outputs.check_name(output, "grid.png")
    outputs.check_free(output, force)
    examples = layout.newest_examples(run)
    from msg_modules.pictures import sheets

    outputs.save(sheets.pyramid_sheet(_load(examples, num_images)), output)


def timelapse(run: pathlib.Path, output: pathlib.Path, force: bool = False) -> None:
    """Animates a training run's sample sheets, which all use the same latents.

    Args:
      run: Pipeline root, or a `--train.checkpoint-dir`; training may still be running.
      output: Output GIF, e.g. training.gif.
      force: Overwrite an existing GIF.
    """
    outputs.check_name(output, "training.gif", animated=True)
    outputs.check_free(output, force)
    newest = layout.newest_samples(run)
    from msg_modules.pictures import sheets

    frames = sheets.read_steps(newest)
    if not frames:
        raise ConfigError(
            f"There is no sample sheet in {str(newest)!r} yet; try again after"
            " --train.sample-every steps."
        )
    with outputs.writing(output):
        sheets.save_animation(frames, output)
    console.say(f"{output}: {len(frames)} sheets")


def _plain_sheets(
    generator: Generator,
    examples: pathlib.Path | None,
    num_images: int,
    seed: int,
    truncation: float,
) -> dict[str, PIL.Image.Image]:
    """Renders a sheet of all scales for each kind of image, by caption."""
    from msg_modules.pictures import sheets

    kinds = {}
    if examples is not None:
        kinds[_REAL] = _load(examples, num_images)
    kinds[_GENERATED] = _join(
        _draw(generator, num_images, seed, truncation, None, "all")
    )
    return {caption: sheets.pyramid_sheet(kind) for caption, kind in kinds.items()}


def _class_sheets(
    generator: Generator,
    examples: pathlib.Path | None,
    num_images: int,
    seed: int,
    truncation: float,
) -> dict[str, PIL.Image.Image]:
    """Renders a sheet with a row per class for each kind of image, by caption."""
    from msg_modules.pictures import sheets

    names = generator.classes.names
    generator.classes.check("by_class is True")
    outputs.check_count(num_images, len(names))
    kinds = {}
    if examples is not None:
        kinds[_REAL] = _load_classes(examples, num_images, len(names))
    kinds[_GENERATED] = [
        _join(_draw(generator, num_images, seed, truncation, label, "largest"))
        for label in range(len(names))
    ]
    columns = min(num_images, _CLASS_IMAGES)
    pictures: dict[str, PIL.Image.Image] = {}
    for caption, classes in kinds.items():
        rows = [sheets.pyramid_sheet(pyramid, columns) for pyramid in classes]
        # The names stand at the left of the first picture only.
        shown = [""] * len(rows) if pictures else names
        pictures[caption] = sheets.one_below_another(rows, shown)
    return pictures


def _pair(
    seeds: tuple[int, ...], labels: tuple[str, ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Returns a seed for each end of an interpolation, and a label if there are any.

    Raises:
      ConfigError: If the numbers of seeds and labels do not go together.
    """
    if not seeds:
        seeds = (0,) if len(labels) > 1 else (0, 1)
    ends = max(len(seeds), len(labels))
    require(ends >= 2, "seeds", seeds, "at least two, or one with two --labels")
    if not (len(seeds) in (1, ends) and len(labels) in (0, 1, ends)):
        raise ConfigError(
            f"There are {len(seeds)} seeds and {len(labels)} labels; give as many"
            " labels as seeds, or one of either."
        )
    return seeds * (ends // len(seeds)), labels * (ends // max(1, len(labels)))


def _draw(
    generator: Generator,
    num_images: int,
    seed: int,
    truncation: float,
    label: int | None,
    scale: Scale,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields batches of the chosen scales and shows a progress bar."""
    done = 0
    with console.progress("Generating", num_images) as report:
        for pyramid in generator.stream(num_images, seed, truncation, label):
            yield scales.choose(pyramid, scale)
            done += len(pyramid[0])
            report(done)


def _join(batches: Iterator[tuple[np.ndarray, ...]]) -> list[np.ndarray]:
    import numpy as np

    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def _enlarge(picture: PIL.Image.Image) -> PIL.Image.Image:
    return picture.resize([_ENLARGED * side for side in picture.size], resample=0)


def _load(examples: pathlib.Path, num_images: int) -> list[np.ndarray]:
    from msg_modules.data import reading

    return list(reading.load_examples(f"{examples}/*", num_images).pyramid(slice(None)))


def _load_classes(
    examples: pathlib.Path, num_images: int, num_classes: int
) -> list[list[np.ndarray]]:
    """Returns the largest scale of each class, black where there are too few images."""
    import numpy as np

    from msg_modules.data import reading

    found = reading.load_examples(f"{examples}/*")
    if found.labels is None:
        raise ConfigError(
            f"The training images in {str(examples)!r} have no labels; omit --by-class"
            " or --run."
        )
    rows = []
    for label in range(num_classes):
        chosen = np.flatnonzero(found.labels == label)[:num_images]
        missing = [(0, num_images - len(chosen)), (0, 0), (0, 0), (0, 0)]
        rows.append([np.pad(found.largest(chosen), missing, constant_values=-1.0)])
    return rows
