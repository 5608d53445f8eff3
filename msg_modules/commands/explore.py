"""The command that shows a page on which a person explores a generator."""

from __future__ import annotations

import contextlib
import pathlib

from msg_modules.commands import listening
from msg_modules.common import console
from msg_modules.runs import layout

# Whoever waits for a picture when the command ends has seen enough.
_SECONDS_TO_END = 2


def explore(
    model: pathlib.Path,
    run: pathlib.Path | None = None,
    host: str = "127.0.0.1",
    port: int = 7860,
) -> None:
    """Shows a page on which to explore a generator; needs the extra `explore`.

    Samples at three scales, sliders and a map over the latent space, interpolation,
    training images beside generated ones. No authentication; it listens on localhost
    unless another host is given.

    Args:
      model: Serving directory, of which the newest version is taken, or one version.
      run: Pipeline root of a run that has passed Transform, for the training images.
      host: Address to listen on.
      port: Port to listen on; 0 for any that is free.
    """
    listening.check_port(port)
    examples = None if run is None else layout.newest_examples(run)
    console.say("Loading TensorFlow and the generator ...")
    from msg_modules.common import extras

    with extras.needed("explore"):
        import uvicorn

        from msg_modules.explorer import app
    from msg_modules.data import reading
    from msg_modules.explorer import directions
    from msg_modules.explorer.real_images import RealImages
    from msg_modules.generator import sampling

    server, url = listening.listen(host, port)
    with server:
        generator = sampling.load_generator(model)
        real = None
        if examples is not None:
            real = RealImages(reading.load_pyramids(f"{examples}/*"))
        page = app.create_app(generator, directions.find_directions(generator), real)
        config = uvicorn.Config(
            page, log_level="critical", timeout_graceful_shutdown=_SECONDS_TO_END
        )
        console.say(
            f"{url} shows version {generator.path.name}: open it in a browser; Ctrl-C"
            " ends"
        )
        # uvicorn answers what it has begun and then raises the signal again.
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[server])
