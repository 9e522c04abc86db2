"""Whether each connection has a session of PostgreSQL of its own, although there may be a connection pooler."""

from collections.abc import Sequence

from premade.doctor.check import Check, Installation, Needs, Result, result


async def _examine(installation: Installation) -> Sequence[Result]:
    is_shared = await installation.database.sessions_are_shared()
    return [result("shared" if is_shared else "ok")]


SESSIONS = Check("sessions", _examine, Needs.DATABASE)
