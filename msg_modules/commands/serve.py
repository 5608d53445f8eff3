"""The command that serves a generator over HTTP."""

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
    """Serves a generator over HTTP as TensorFlow Serving does; needs the extra `serve`.

    A development server without authentication, on localhost unless another host is
    given. A version that is pushed while it runs replaces the one that is served.

    Args:
      model: Serving directory, of which the newest version is taken, or one version.
      host: Address to listen on.
      port: Port to listen on; 0 for any that is free.
      name: What the model is called in `/v1/models/NAME:predict`.
      limits: What a client gets at most.
    """
    listening.check_port(port)
    wanted = "of letters, digits, `.`, `_` and `-`"
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
        f"{url}/v1/models/{name} serves version {generator.path.name};"
        " /docs describes it"
    )
    # uvicorn answers what it has begun and then raises the signal again.
    with server, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[server])
