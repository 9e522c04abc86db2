"""The feature: the documentation of the API."""

from premade.api_docs.routes import document_routes
from premade.http.wiring import Feature

FEATURE = Feature(pages=document_routes)
