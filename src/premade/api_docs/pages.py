"""Pages of the API documentation. They load nothing from other sites."""

from collections.abc import Container, Iterator
from functools import cache
from html import escape
from importlib import resources

from premade.http.problems import TRANSPORT_STATUS_OF, status_of_kind
from premade.runtime.errors import DomainError
from premade.texts.problems import problem_texts

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
Problems = dict[str, tuple[int, str, str, str]]
"""For each error code: status, title, cause and remedy."""
MEDIA_TYPES = {"css": "text/css", "ico": "image/x-icon", "js": "text/javascript", "png": "image/png"}
FAVICON = "favicon.ico"

DOCS_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>premade: API documentation</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui/swagger-ui.css">
<link rel="icon" href="/docs/assets/swagger-ui/favicon-32x32.png">
</head>
<body>
<div id="interface"></div>
<script src="/docs/assets/swagger-ui/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
"""


@cache
def assets() -> dict[str, bytes]:
    """Return the files under /docs/assets, by name. Only these are served."""
    folder = resources.files("premade.api_docs") / "static"
    names = ["start.js", "problems.css", FAVICON]
    names += [
        f"swagger-ui/{name}" for name in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
    ]
    return {name: folder.joinpath(name).read_bytes() for name in names}


def problems(listed: Container[str]) -> Problems:
    """Return the transport errors and those domain errors that are listed.

    Other domain errors only occur in the operator's commands and in the console.
    """
    statuses = {kind.code: status_of_kind(kind) for kind in _kinds(DomainError) if kind.code in listed}
    by_code = {
        code: (status, text.title, text.cause, text.remedy)
        for code, status in {**statuses, **TRANSPORT_STATUS_OF}.items()
        for text in (problem_texts()[code],)
    }
    return dict(sorted(by_code.items(), key=lambda item: (item[1][0], item[0])))


def _kinds(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _kinds(child)


def home_page() -> str:
    """Return the page at `/`, for people who open the service's address."""
    body = """<h1>premade</h1>
<p>Pre-made tickets for online travel agencies.</p>
<ul>
<li><a href="/docs">API documentation</a>, for developers of a travel agency (<a href="/openapi.json">OpenAPI</a>,
<a href="/problems">errors</a>)</li>
<li><a href="/console">Console</a>, for the staff of the operator</li>
</ul>"""
    return _page("premade", body)


def problem_page(code: str, text: tuple[int, str, str, str]) -> str:
    """Return the page of one error."""
    status, title, why, remedy = text
    body = f"""<p class="status">{status} <code>{escape(code)}</code></p>
<h1>{escape(title)}</h1>
<h2>What happened</h2>
<p>{escape(why)}</p>
<h2>What to do</h2>
<p>{escape(remedy)}</p>
<p><a href="/problems">All errors</a> · <a href="/docs">API documentation</a></p>"""
    return _page(title, body)


def problems_page(problems: Problems) -> str:
    """Return the page with all errors."""
    rows = "\n".join(
        f'<tr><td>{status}</td><td><a href="/problems/{escape(code)}"><code>{escape(code)}</code></a></td>'
        f"<td>{escape(title)}</td></tr>"
        for code, (status, title, _, _) in problems.items()
    )
    body = f"""<h1>Errors</h1>
<p>Every error is <code>application/problem+json</code> (RFC 9457). Programs compare its <code>code</code>. Show its
<code>detail</code> to people. Include its <code>request_id</code> when you ask the operator about an error.</p>
<table><thead><tr><th>Status</th><th>Code</th><th>Meaning</th></tr></thead><tbody>
{rows}
</tbody></table>
<p><a href="/docs">API documentation</a></p>"""
    return _page("Errors", body)


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title if title == "premade" else f"{title} · premade")}</title>
<link rel="stylesheet" href="/docs/assets/problems.css">
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
