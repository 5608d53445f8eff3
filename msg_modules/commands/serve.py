"""The command that serves a generator over HTTP."""

from __future__ import annotations

import contextlib
import pathlib
import re
import socket

from msg_modules import console
from msg_modules.configs import ServeLimits, require
from msg_modules.errors import RunError

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

    It listens on this machine alone, unless another host is named, and asks nobody
    who they are. A version that is pushed while it runs is served from then on.

    Args:
      model: Serving directory, of which the newest version is taken, or one version.
      host: Address to listen on.
      port: Port to listen on; 0 for any that is free.
      name: What the model is called in `/v1/models/NAME:predict`.
      limits: What a client gets at most.
    """
    require(0 <= port < 2**16, "port", port, "between 0 and 65535")
    wanted = "of letters, digits, `.`, `_` and `-`"
    require(bool(_NAME.fullmatch(name)), "name", name, wanted)
    from msg_modules import extras

    with extras.needed("serve"):
        import uvicorn

        from msg_modules.serving import app, connections
    from msg_modules import sampling

    generator = sampling.load_generator(model)
    try:
        listening = socket.create_server((host, port))
    except OSError as e:
        raise RunError(
            f"{host}:{port} cannot be listened on ({e.strerror}); name another --port"
            " or --host."
        ) from e
    # asyncio does so only for sockets that say they are TCP's: else the end of an
    # answer waits for the client to acknowledge its beginning, 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        app.create_app(model, generator, name, limits),
        http=connections.closing_idle(limits.timeout_seconds),
        log_level="critical",
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=int(limits.timeout_seconds) + 1,
    )
    console.say(
        f"http://{host}:{listening.getsockname()[1]}/v1/models/{name}"
        f" serves version {generator.path.name}; /docs describes it"
    )
    # uvicorn answers what it has begun and then raises the signal again.
    with listening, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
