"""The introduction at /docs: rules for all operations, and a first sale to paste into a shell."""

INTRODUCTION = """Pre-made tickets for online travel agencies: generate in bulk, activate exactly once.

Authenticate with your key in `X-API-Key`. Send an `Idempotency-Key` with each write: then a retry after a lost
answer gives the same answer again. Every refusal is `application/problem+json` with a stable `code`; [the list of
errors](/problems) says what each means and what to do. Times are RFC 3339 in UTC. Amounts of money are
strings with all decimals of their currency by ISO 4217: HKD `288.00`, JPY `288`, KWD `1.234`. Further members may
be added to answers at any time.

## A first sale

Paste this into a shell, with the address of the service, your key, and a product from `GET /api/ota/inventory`. The
second request sells the first ticket of the batch that the first one generated. The codes in the examples below
do not exist: take yours from an answer.

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
