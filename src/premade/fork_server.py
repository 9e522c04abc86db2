"""The process from which workers are forked. It imports the application once, so that a worker starts at once.

multiprocessing imports this module there. The process executes nothing of the application, and has one thread.
"""

import gc
import signal

from premade.runtime.logging import log, start_service_logging
from premade.runtime.settings import Settings

# Imports leave no garbage to collect. A worker turns the collector on when it starts.
gc.disable()
try:
    import premade.worker  # noqa: F401  # pyright: ignore[reportUnusedImport]  (workers use it)
except Exception:  # noqa: BLE001  (else multiprocessing would print the traceback in a form of its own)
    start_service_logging(Settings())
    log.exception("fork_server.failed")
    raise SystemExit(1) from None
# A worker's collector must not touch these objects: the workers share their memory.
gc.freeze()
# These reach the whole process group, and only the parent handles them. This process ends with the parent.
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
