"""`msg-gan explore`."""

from __future__ import annotations

import contextlib
import pathlib

from msg_modules.commands import listening
from msg_modules.common import console
from msg_modules.runs import layout

# Pending pictures are not worth delaying Ctrl-C for.
_SHUTDOWN_SECONDS = 2


def explore(
    model: pathlib.Path,
    run: pathlib.Path | None = None,
    host: str = "127.0.0.1",
    port: int = 7860,
) -> None:
    """Serves a web page to explore a generator; needs the extra `explore`.

    Samples at all scales, sliders and a map of the latent space, interpolation, and
    training images next to generated ones. No authentication; listens on localhost
    unless --host is given.

    Args:
      model: Serving directory (its served version is used), or a version directory.
      run: Pipeline root of a run that has completed Transform, for training images.
      host: Address to listen on.
      port: Port to listen on; 0 picks a free one.
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
            real = RealImages(reading.load_examples(f"{examples}/*"))
        page = app.create_app(generator, directions.find_directions(generator), real)
        config = uvicorn.Config(
            page, log_level="critical", timeout_graceful_shutdown=_SHUTDOWN_SECONDS
        )
        console.say(
            f"Serving version {generator.path.name} at {url} (press Ctrl-C to stop)"
        )
        # uvicorn finishes pending requests and then re-raises the signal.
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[server])
