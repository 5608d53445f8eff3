"""`msg-gan serve`."""

from __future__ import annotations

import contextlib
import pathlib
import re

from msg_modules.commands import listening
from msg_modules.common import console
from msg_modules.configs import ServeLimits, require

_NAME = re.compile(r"[\w.-]+")
_DEFAULT_LIMITS = ServeLimits()
_MAX_CONNECTIONS = 1000


def serve(
    model: pathlib.Path,
    host: str = "127.0.0.1",
    port: int = 8501,
    name: str = "msg_gan",
    limits: ServeLimits = _DEFAULT_LIMITS,
) -> None:
    """Serves a generator over TensorFlow Serving's REST API; needs the extra `serve`.

    A development server without authentication; listens on localhost unless --host is
    given. Follows pushes and `msg-gan rollback`.

    Args:
      model: Serving directory (its served version is used), or a version directory.
      host: Address to listen on.
      port: Port to listen on; 0 picks a free one.
      name: Name of the model in `/v1/models/NAME:predict`.
      limits: Request limits and batching.
    """
    listening.check_port(port)
    wanted = "made of letters, digits, `.`, `_` and `-`"
    require(bool(_NAME.fullmatch(name)), "name", name, wanted)
    from msg_modules.common import extras

    with extras.needed("serve"):
        import uvicorn

        from msg_modules.serving import app, connections
    from msg_modules.generator import sampling

    generator = sampling.load_generator(model)
    server, url = listening.listen(host, port)
    config = uvicorn.Config(
        app.create_app(model, generator, name, limits),
        http=connections.closing_idle(limits.timeout_seconds),
        log_level="critical",
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=int(limits.timeout_seconds) + 1,
    )
    console.say(
        f"Serving version {generator.path.name} at {url}/v1/models/{name};"
        f" API docs at {url}/docs"
    )
    # uvicorn finishes pending requests and then re-raises the signal.
    with server, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[server])
