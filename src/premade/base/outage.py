"""One line in the log when something begins to fail, and one when it works again."""

from typing import Any

from premade.base.logs import log


class Outage:
    """A state that is logged when it changes, however often it is met."""

    def __init__(self, event: str) -> None:
        """`event` names both lines: `<event>` and `<event>_over`."""
        self._event = event
        self._reason: str | None = None

    def begin(self, reason: str, **details: Any) -> None:
        """It fails. Another `reason` than before is another line."""
        if self._reason != reason:
            self._reason = reason
            log.warning(self._event, reason=reason, **details)

    def end(self) -> None:
        """It works."""
        if self._reason is not None:
            self._reason = None
            log.info(f"{self._event}_over")
