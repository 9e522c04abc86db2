"""Counts of attempts, set as a test needs them."""

from premade.throttle.attempts import CountedSubject
from support.shop import Shop


def use_up(shop: Shop, subject: CountedSubject) -> None:
    """Count as many attempts as the limit of the subject allows."""
    shop.sql(
        "INSERT INTO attempts (subject, ends_at, count) VALUES (%s, now() + %s * interval '1 second', %s)",
        subject.digest,
        subject.limit.window_seconds,
        subject.limit.attempts_max,
    )


def end_window(shop: Shop, subject: CountedSubject) -> None:
    """Move the end of the current window into the past."""
    shop.sql("UPDATE attempts SET ends_at = now() - interval '1 second' WHERE subject = %s", subject.digest)
