"""A program that has imported `premade` once, and forks a process for each command that it is told to run."""

import atexit
import gc
import io
import json
import os
import signal
import sys
import traceback
from typing import Any, cast

from premade.cli import main


def run(asked: dict[str, Any]) -> int:
    """Become the command and return its exit code. SIGALRM ends it when it takes too long."""
    signal.alarm(asked["seconds_max"])
    for number, file, mode in (
        (0, "stdin", os.O_RDONLY),
        (1, "stdout", os.O_WRONLY),
        (2, "stderr", os.O_WRONLY),
    ):
        os.dup2(os.open(asked[file], mode), number)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    encoding = asked["environment"].get("PYTHONIOENCODING", "utf-8")
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115
    for stream, errors in ((sys.stdout, "strict"), (sys.stderr, "backslashreplace")):
        cast("io.TextIOWrapper", stream).reconfigure(encoding=encoding, errors=errors)
    sys.argv = ["premade", *asked["arguments"]]
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    except Exception:  # noqa: BLE001
        traceback.print_exc()
        code = 1
    else:
        code = 0
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


def serve() -> None:
    """Read one JSON line for each command, and answer its exit code."""
    # The modules are never collected, so a fork does not copy their pages.
    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            # Without taking the interpreter apart, which takes longer than most commands.
            os._exit(run(asked))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
