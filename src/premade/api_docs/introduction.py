"""The introduction at /docs: rules for all operations, and a first sale to paste into a shell."""

INTRODUCTION = """Pre-made tickets for online travel agencies: generate in bulk, activate exactly once.

Authenticate with your API key in the header `X-API-Key`. Send an `Idempotency-Key` with each write. A retry after a
lost response then returns the same response.

Every error is `application/problem+json` with a stable `code`. [The list of errors](/problems) says what each code
means and what to do. Its texts are in the best language of `Accept-Language` (English, Traditional or Simplified Chinese), and
in English without it. The `code` never changes.

Each API key has a rate limit for each class of operations: `generate`, `activate`, `read` and `gate`. The header
`RateLimit-Policy` names the class and a limit: you can always send `q` requests in `w` seconds. `RateLimit` says how many
requests are left now (`r`). After `t` seconds without requests, all of them are available. Beyond the limit the response is 429 `RATE_LIMITED`. Nothing was changed: wait for
the seconds in `Retry-After`, and send the request again with the same `Idempotency-Key`. A replay counts too.

Times are RFC 3339 in UTC. Amounts of money are strings with all decimals of their currency by ISO 4217: HKD `288.00`,
JPY `288`, KWD `1.234`. New members can be added to responses at any time, so ignore members that you do not know.

## A first sale

Paste this into a shell. Set the address of the service, your API key, and a product from `GET /api/ota/inventory`.
The first request generates a batch. The second request activates its first ticket. The codes in the examples below do
not exist: use the codes of your own responses.

```sh
BASE=http://127.0.0.1:8080 KEY=pm_test_… PRODUCT=106 BATCH=FIRST-$(date +%s)
CODE=$(curl -sf "$BASE/api/ota/tickets/bulk-generate" -H "X-API-Key: $KEY" \\
  -H 'Content-Type: application/json' -H "Idempotency-Key: $BATCH" \\
  -d "{\\"product_id\\": $PRODUCT, \\"quantity\\": 2, \\"batch_id\\": \\"$BATCH\\"}" |
  grep -o '"ticket_code": *"[^"]*"' | head -n 1 | cut -d '"' -f 4)
curl -s "$BASE/api/ota/tickets/$CODE/activate" -H "X-API-Key: $KEY" \\
  -H 'Content-Type: application/json' -H "Idempotency-Key: sale-$CODE" \\
  -d '{"customer_details": {"name": "John Smith", "email": "john.smith@example.com", "phone": "+1234567890"},
       "payment_reference": "PAY-OTA-2025-001"}'
```"""
