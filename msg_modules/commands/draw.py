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


def sample(
    model: pathlib.Path,
    output: pathlib.Path,
    num_images: int = 64,
    seed: int = 0,
    scale: Scale = "largest",
    truncation: float = 1.0,
    force: bool = False,
) -> None:
    """Samples images from a pushed generator.

    Args:
      model: Serving directory (its newest version is used), or a version directory.
      output: Output file: a picture, e.g. grid.png; or images.npz, with no limit on the
        number of images: arrays such as `image_28`, uint8 `[N, size, size, channels]`.
      num_images: Number of images, at most 10000 in a picture.
      seed: The same seed gives the same images.
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
    batches = _draw(generator, num_images, seed, truncation, scale)
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
    seeds: tuple[int, ...] = (0, 1),
    steps: int = 24,
    scale: Scale = "largest",
    truncation: float = 1.0,
    straight: bool = False,
    force: bool = False,
) -> None:
    """Interpolates between images in latent space.

    Args:
      model: Serving directory (its newest version is used), or a version directory.
      output: Output file: an animation, walk.gif or walk.mp4 (extra `video`); a
        picture, e.g. walk.png, with the images side by side; or walk.npz, with arrays
        such as `image_28`, uint8 `[N, size, size, channels]`.
      seeds: Interpolate between the first images that `sample` generates from these
        seeds. Repeat the first seed at the end to close the loop.
      steps: Images from each seed to the next, both ends included.
      scale: Image size, such as 28, `largest`, or `all` for all sizes stacked.
      truncation: Scales the latents, from 1 down to 0: less variety, fewer failures.
      straight: Interpolate linearly instead of along the great circle.
      force: Overwrite an existing file.
    """
    from msg_modules.generator import latents

    require(len(seeds) >= 2, "seeds", seeds, "at least two")
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
        latents.draw_latents(1, generator.latent_dim, seed, truncation)[0]
        for seed in seeds
    ]
    parts = []
    for number, (start, end) in enumerate(itertools.pairwise(ends)):
        part = latents.interpolate_latents(start, end, steps, not straight)
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
    num_images: int = 40,
    seed: int = 0,
    truncation: float = 1.0,
    force: bool = False,
) -> None:
    """Samples images at all scales, optionally next to training images.

    Args:
      model: Serving directory (its newest version is used), or a version directory.
      output: Output picture, e.g. sheet.png.
      run: Pipeline root of a run that has completed Transform, for training images.
      num_images: Number of images of each kind, at most 10000.
      seed: The same seed gives the same images.
      truncation: Scales the latents, from 1 down to 0: less variety, fewer failures.
      force: Overwrite an existing picture.
    """
    from msg_modules.generator import latents

    outputs.check_count(num_images)
    latents.check_request(num_images, seed, truncation)
    outputs.check_name(output, "sheet.png")
    outputs.check_free(output, force)
    examples = None if run is None else layout.newest_examples(run)
    from msg_modules.generator import sampling
    from msg_modules.pictures import sheets

    generator = sampling.load_generator(model)
    drawn = _join(_draw(generator, num_images, seed, truncation, "all"))
    pictures, captions = [sheets.pyramid_sheet(drawn)], ["generated images"]
    if examples is not None:
        pictures.insert(0, sheets.pyramid_sheet(_load(examples, num_images)))
        captions.insert(0, "training images")
    outputs.save(sheets.side_by_side(pictures, captions), output)


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


def _draw(
    generator: Generator, num_images: int, seed: int, truncation: float, scale: Scale
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields batches of the chosen scales and shows a progress bar."""
    done = 0
    with console.progress("Generating", num_images) as report:
        for pyramid in generator.stream(num_images, seed, truncation):
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
