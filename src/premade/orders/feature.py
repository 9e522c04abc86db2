"""The feature: looking up orders."""

from premade.http.wiring import Feature
from premade.orders import routes

FEATURE = Feature(routers=[routes.router])
