"""The feature: looking up batches."""

from premade.batches import routes
from premade.http.wiring import Feature

FEATURE = Feature(routers=[routes.router])
