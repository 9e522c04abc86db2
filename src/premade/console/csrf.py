"""Protection of forms: they come from a page of the console and carry a token of their session; a nonce lets each have effect once."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from premade.http.body import header_values
from premade.runtime.clock import Runtime
from premade.runtime.errors import Forbidden
from premade.staff.session import form_token

FORM_TOKEN = "form_token"  # noqa: S105  (the name of a field)
NONCE = "once"
"""The form field with the nonce."""
_NONCE_BYTES = 16
_NONCE = re.compile(rf"[0-9a-f]{{{2 * _NONCE_BYTES}}}")


@dataclass(eq=False)
class FormForeign(Forbidden):
    """The form was not sent from a page of this console, or its session has ended."""

    code = "FORM_FOREIGN"

    reason: Literal["other_site", "other_session", "not_ours"]


def origin_of(request: Request) -> str:
    """Return the Origin header, or ""."""
    return next(iter(header_values(request, "Origin")), "")


def require_own_page(request: Request) -> None:
    """Raise FormForeign unless the form was sent from a page of this site.

    Browsers send Sec-Fetch-Site over https; old ones, and all over plain http, send only Origin.
    """
    fetched_from = header_values(request, "Sec-Fetch-Site")
    if fetched_from:
        is_own = fetched_from == ["same-origin"]
    else:
        host = request.headers.get("host", "")
        is_own = host != "" and origin_of(request) in {f"http://{host}", f"https://{host}"}
    if not is_own:
        raise FormForeign("other_site")


def require_form_token(session_token: str, sent: str) -> None:
    """Raise FormForeign unless the form token is that of this session."""
    if not hmac.compare_digest(form_token(session_token).encode(), sent.encode()):
        raise FormForeign("other_session")


def new_nonce(runtime: Runtime) -> str:
    """Return a nonce for a form: however often the form is sent, it has effect once."""
    return runtime.random_bytes(_NONCE_BYTES).hex()


def nonce_of(form: Mapping[str, str]) -> str:
    """Return the nonce of the form.

    Raises:
        FormForeign: it has none.
    """
    nonce = form.get(NONCE, "")
    if not _NONCE.fullmatch(nonce):
        raise FormForeign("not_ours")
    return nonce
