"""Namespaces of its own for a whole run, such as processes and mounts. Everything in them ends with the run."""

import os
import sys

_INSIDE = "TORTURE_INSIDE"
# The shell is the first process of the namespace, which must wait for orphans: PostgreSQL is one.
_SHELL = ("sh", "-c", '"$@"; exit $?', "sh")


def is_inside() -> bool:
    """Return whether this process was started by `enter_namespaces`."""
    return _INSIDE in os.environ


def enter_namespaces(module: str, *more: str) -> None:
    """Start this command again in new namespaces of mounts and processes. It needs root on Linux.

    `module`: that the command runs. `more`: options of unshare(1) for more kinds of namespaces.
    """
    command = [
        *("unshare", *more, "--mount", "--propagation", "private", "--pid", "--mount-proc"),
        *("--fork", "--kill-child", "--", *_SHELL),
        *(sys.executable, "-m", module, *sys.argv[1:]),
    ]
    sys.stdout.flush()
    os.execvpe(command[0], command, {**os.environ, _INSIDE: "1"})  # noqa: S606  (no shell is wanted)
