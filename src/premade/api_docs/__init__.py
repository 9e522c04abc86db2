"""API documentation: the OpenAPI document, its page, and a page for each error."""
