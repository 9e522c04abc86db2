"""The gate page: a scanner in the browser that also works without network."""
