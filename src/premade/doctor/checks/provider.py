"""Whether the document of the identity provider, at which staff sign in, can be read."""

from collections.abc import Sequence

from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.staff.provider_settings import ProviderAway, provider_settings


async def _examine(installation: Installation) -> Sequence[Result]:
    settings = provider_settings(installation.settings)
    if settings is None:
        return [result("none")]
    from premade.staff.provider import Provider  # noqa: PLC0415  (it takes memory and time)

    try:
        settings.client_secret()
        await Provider(settings, installation.runtime).check()
    except ProviderAway as away:
        return [result("away", issuer=settings.issuer, why=away.why)]
    return [result("ok", issuer=settings.issuer)]


PROVIDER = Check("provider", _examine, Needs.SETTINGS)
