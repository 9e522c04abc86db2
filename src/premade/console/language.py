"""The language of a page: by the reader's choice, which a cookie keeps, or by what the browser accepts."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from premade.console.addresses import HOME, go_to, own_address
from premade.console.cookies import cookie_of, set_cookie
from premade.console.csrf import FormForeign, require_own_page
from premade.console.forms import read_form
from premade.http.body import header_values
from premade.texts.languages import Choice
from premade.texts.translation import Language

LANGUAGE = f"{HOME}/language"
LANGUAGE_COOKIE = "premade_language"
_CHOICE_SECONDS = 365 * 86_400


def reader_language(request: Request, languages: Choice) -> Language:
    """Return the language of this request's reader."""
    accepted = ", ".join(header_values(request, "Accept-Language"))
    return languages.of_reader(accepted, cookie_of(request, LANGUAGE_COOKIE) or "")


async def choose_language(request: Request, languages: Choice) -> Response:
    """Keep the choice in a cookie, and lead back to the page that has the switch.

    It is for everybody: the sign-in page has the switch too. It changes nothing but the cookie.

    Raises:
        FormForeign: it is not a form of the console, or names no language.
    """
    require_own_page(request)
    chosen = (await read_form(request)).get("language", "")
    if chosen not in {each.tag for each in languages.offered}:
        raise FormForeign("not_ours")
    page = urlsplit(request.headers.get("referer", ""))
    answer = go_to(own_address(page.path + (f"?{page.query}" if page.query else "")))
    # "lax": a link from elsewhere, such as from an e-mail, shows its page in this language.
    set_cookie(answer, request, LANGUAGE_COOKIE, chosen, _CHOICE_SECONDS, samesite="lax")
    return answer
