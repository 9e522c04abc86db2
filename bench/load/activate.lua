-- Activates tickets, each once: thread T of N takes the codes FIRST + T, FIRST + T + N, …
-- Arguments: API key, first serial, threads.
local threads = 0

function setup(thread)
  thread:set("thread_number", threads)
  threads = threads + 1
end

function init(args)
  key, serial, step = args[1], tonumber(args[2]) + thread_number, tonumber(args[3])
  headers = { ["Content-Type"] = "application/json", ["X-API-Key"] = key }
  ok, other = 0, 0
end

function request()
  local code = string.format("CRUISE-2025-FERRY-%013d", serial)
  local body = string.format(
    '{"customer_details":{"name":"John Smith","email":"john.smith.%d@example.com","phone":"+1234567890"},' ..
    '"payment_reference":"PAY-OTA-%d"}', serial, serial)
  headers["Idempotency-Key"] = "bench-" .. serial
  serial = serial + step
  return wrk.format("POST", "/api/ota/tickets/" .. code .. "/activate", headers, body)
end

function response(status)
  if status == 200 then ok = ok + 1 else other = other + 1 end
end

local all = {}
local setup_one = setup
function setup(thread)
  setup_one(thread)
  table.insert(all, thread)
end

function done(summary, latency)
  local ok, other = 0, 0
  for _, thread in ipairs(all) do
    ok, other = ok + thread:get("ok"), other + thread:get("other")
  end
  io.write(string.format(
    '\n{"ok": %d, "other": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "socket_errors": %d}\n',
    ok, other, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
