-- Generates batches of 100 tickets with their pictures.
-- Arguments: API key, product, a prefix for the batch ids of this run.
function init(args)
  key, product, run = args[1], args[2], args[3]
  headers = { ["Content-Type"] = "application/json", ["X-API-Key"] = key }
  turn = 0
end

function request()
  turn = turn + 1
  local batch = "BENCH-" .. run .. "-" .. turn
  headers["Idempotency-Key"] = batch
  return wrk.format(
    "POST", "/api/ota/tickets/bulk-generate", headers,
    string.format('{"product_id":%s,"quantity":100,"batch_id":"%s","valid_until":"2099-03-31"}', product, batch))
end
