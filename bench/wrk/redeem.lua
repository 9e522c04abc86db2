-- Redeems one entitlement of each ticket, once.
-- Arguments: API key, a file with a QR token a line, the number of the first ticket.

function init(args)
  headers = { ["Content-Type"] = "application/json", ["X-API-Key"] = args[1] }
  tokens, place, first = {}, 0, tonumber(args[3])
  for token in io.lines(args[2]) do
    table.insert(tokens, token)
  end
end

function request()
  place = place + 1
  return wrk.format(
    "POST", "/api/gate/redemptions", headers,
    string.format(
      '{"qr":"%s","function_code":"ferry","uses":1,"device_id":"GATE-%d","scan_id":"%s"}',
      tokens[place], place % 64, string.reverse("bench-" .. first + 2 * place)))
end
