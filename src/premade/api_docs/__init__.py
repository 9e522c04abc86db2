"""What a stranger reads: the interface as OpenAPI, its page, and a page for each error."""
