-- Activates in turn a ticket that is sold (409) and one that does not exist (404).
-- Arguments: API key, number of the first sold ticket, number of sold tickets.
function init(args)
  key, first, sold = args[1], tonumber(args[2]), tonumber(args[3])
  headers = { ["Content-Type"] = "application/json", ["X-API-Key"] = key }
  turn = 0
end

function request()
  turn = turn + 1
  local serial = turn % 2 == 0 and first + turn % sold or 8000000000000 + turn
  headers["Idempotency-Key"] = "refused-" .. turn
  return wrk.format(
    "POST",
    string.format("/api/ota/tickets/CRUISE-2025-FERRY-%013d/activate", serial),
    headers,
    string.format(
      '{"customer_details":{"name":"John Smith","email":"john.smith.%d@example.com","phone":"+1234567890"},'
        .. '"payment_reference":"PAY-OTA-%d"}', turn, turn))
end
