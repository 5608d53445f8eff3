"""Runs `python -m MODULE ARGUMENTS` in processes of their own, without importing TFX
for each.

It imports everything once, runs no operation, and forks a process for each line that
it reads: JSON with the module, the arguments, further environment variables and the
file for what the process prints. It answers with the process's id, and when that has
ended with its exit status.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from typing import Any

from msg_modules.common import console

console.quiet_libraries()

from tfx.components.pusher import executor as _pusher  # noqa: E402, F401
from tfx.components.statistics_gen import executor as _statistics  # noqa: E402, F401
from tfx.components.trainer import executor as _trainer  # noqa: E402, F401
from tfx.components.transform import executor as _transform  # noqa: E402, F401
from tfx.orchestration.kubeflow.v2.container import (  # noqa: E402
    kubeflow_v2_run_executor as _run_executor,  # noqa: F401
)

from msg_modules.training import run_fn as _gan_trainer  # noqa: E402, F401


def _become(job: dict[str, Any]) -> int:
    """Turns this process into the one that was asked for; its exit status."""
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    os.environ.update(job["environment"])
    sys.argv = [job["module"], *job["arguments"]]
    try:
        runpy.run_module(job["module"], run_name="__main__", alter_sys=True)
    except SystemExit as e:
        return e.code if isinstance(e.code, int) else int(e.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def main() -> None:
    """Serves until its input ends."""
    print("ready", flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            status = _become(json.loads(line))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
