"""Names of the staff among the actors that a page shows. The filter `actor` names the others."""

from collections.abc import Iterable

from premade.audit.actors import STAFF, staff_actor
from premade.postgres.database import Database
from premade.staff.member import list_staff


async def names_of_staff(database: Database, actors: Iterable[str]) -> dict[str, str]:
    """Return names by actor, such as `staff:12`, if a member of staff is among the actors."""
    if not any(actor.startswith(f"{STAFF}:") for actor in actors):
        return {}
    return {staff_actor(each.staff_id): each.name for each in await list_staff(database)}
