"""One line in the log when something begins to fail, and one when it works again."""

import logging
import time
from typing import Any

from premade.runtime.logging import log


class Outage:
    """A failure that is logged when it begins and when it ends, not each time it occurs."""

    def __init__(self, event: str, level: int = logging.WARNING) -> None:
        """`event` names both lines: `<event>` and `<event>_over`. Both have the same level, so both or none are shown."""
        self._event = event
        self._level = level
        self._reason: str | None = None
        self._began = 0.0

    def begin(self, reason: str, **details: Any) -> None:
        """Note a failure. A new `reason` is logged again."""
        if self._reason is None:
            self._began = time.monotonic()
        if self._reason != reason:
            self._reason = reason
            log.log(self._level, self._event, reason=reason, **details)

    def end(self) -> None:
        """Note a success."""
        if self._reason is not None:
            self._reason = None
            lasted_seconds = round(time.monotonic() - self._began, 1)
            log.log(self._level, f"{self._event}_over", lasted_seconds=lasted_seconds)
