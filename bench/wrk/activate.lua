-- Activates tickets, each once. The n-th request is for ticket first + step * ((from + n) * stride % count): with a
-- stride of 1 in order, otherwise spread over the whole table.
-- Arguments: API key, from, first, step, stride, count.

function init(args)
  key, place = args[1], tonumber(args[2])
  first, step, stride, count = tonumber(args[3]), tonumber(args[4]), tonumber(args[5]), tonumber(args[6])
  headers = { ["Content-Type"] = "application/json", ["X-API-Key"] = key }
end

function request()
  local serial = first + step * (place * stride % count)
  place = place + 1
  -- Like a UUID, a key stands anywhere among the others.
  headers["Idempotency-Key"] = string.reverse("bench-" .. serial)
  return wrk.format(
    "POST",
    string.format("/api/ota/tickets/CRUISE-2025-FERRY-%013d/activate", serial),
    headers,
    string.format(
      '{"customer_details":{"name":"John Smith","email":"john.smith.%d@example.com","phone":"+1234567890"},'
        .. '"payment_reference":"PAY-OTA-%d"}', serial, serial))
end
