"""The feature: the pages of the operator's staff."""

from premade.console.routes import console_routes
from premade.http.wiring import Feature

FEATURE = Feature(pages=lambda app: console_routes(app.state.runtime, app.state.languages))
