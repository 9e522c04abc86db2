"""HTTP clients of the tests."""

import ssl

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For `verify` of httpx: services in tests have no TLS, and each client would read all certificates of the machine (40 ms)."""
