"""The values that an order has in place of the contact data of an erased customer."""

import hashlib

NAME = "Erased customer"
EMAIL = "erased@customer.invalid"
"""Mail to this domain is never delivered (RFC 2606)."""
PHONE = "+0"
"""No country calling code begins with 0. It is shorter than the digits of a manual entry, so none matches it."""
PAYMENT_REFERENCE = "erased"
"""Only in place of a reference that named the customer."""
EXPLAINED = (
    "Time at which the operator erased the customer's contact data; null otherwise. The order then has placeholders in "
    "place of name, e-mail address and phone number"
)
"""The description of the member `customer_erased_at` of an order."""
EXPLAINED_TO_RETRIES = (
    "Only in the response to a retry, after the operator erased the customer's contact data: the time of this. The order then "
    "has placeholders in place of name, e-mail address and phone number"
)
"""The description of the same member of a sale."""


def erased_key(key: str) -> str:
    """Return the digest that an order has in place of an Idempotency-Key that named the customer."""
    return f"erased:{hashlib.sha256(key.encode()).hexdigest()}"
