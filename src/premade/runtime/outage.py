"""One line in the log when something begins to fail, and one when it works again."""

from typing import Any

from premade.runtime.logging import log


class Outage:
    """A failure that is logged when it begins and when it ends, not each time it occurs."""

    def __init__(self, event: str) -> None:
        """`event` names both lines: `<event>` and `<event>_over`."""
        self._event = event
        self._reason: str | None = None

    def begin(self, reason: str, **details: Any) -> None:
        """Note a failure. A new `reason` is logged again."""
        if self._reason != reason:
            self._reason = reason
            log.warning(self._event, reason=reason, **details)

    def end(self) -> None:
        """Note a success."""
        if self._reason is not None:
            self._reason = None
            log.info(f"{self._event}_over")
