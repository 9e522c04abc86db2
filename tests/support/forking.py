"""A program that has imported `premade` once, and forks a process for each command that it is told to run."""

import json
import os
import signal
import sys

from premade.cli import main


def run(asked: dict[str, object], environment: dict[str, str], arguments: list[str]) -> None:
    """Becomes the command; ends by SIGALRM when it takes too long."""
    signal.alarm(int(str(asked["seconds_max"])))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(str(asked["stdout"]), os.O_WRONLY), 1)
    os.dup2(os.open(str(asked["stderr"]), os.O_WRONLY), 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["premade", *arguments]
    main()


def serve() -> None:
    """Reads one JSON line for each command, answers its exit code."""
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            run(asked, asked["environment"], asked["arguments"])
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
