"""The body of a form, and its errors by field."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from premade.console.csrf import FormForeign
from premade.http.body import receive_body
from premade.runtime.errors import FieldError

FORM_BYTES_MAX = 16_384
FORM_FIELDS_MAX = 50


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of the form, each once. Raises BodyRefused, or FormForeign if the console has no such form."""
    body = await receive_body(request, FORM_BYTES_MAX)
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX, errors="replace"
        )
    except ValueError:
        message = "This form was not sent from the console."
        raise FormForeign(message) from None
    return dict(fields)


def by_field(errors: list[FieldError]) -> dict[str, str]:
    """Return the error of each field, by name."""
    return {error.pointer: error.detail for error in errors}
