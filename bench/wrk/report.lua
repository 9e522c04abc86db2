-- Prints the result of a run as JSON: how many answers of which status, and how long they took.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

statuses = {}

function response(status)
  statuses[status] = (statuses[status] or 0) + 1
  told = ""
  for code, count in pairs(statuses) do
    told = told .. (told == "" and "" or ",") .. string.format('"%d":%d', code, count)
  end
end

function done(summary, latency)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    '\n{"statuses":{%s},"seconds":%f,"p50_ms":%f,"p99_ms":%f,"socket_errors":%d}\n',
    threads[1]:get("told"), summary.duration / 1e6, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000, errors))
end
