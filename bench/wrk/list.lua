-- Lists tickets, a page of 100: the first, and from each of the places that are given.
-- Arguments: API key, cursors.
function init(args)
  headers = { ["X-API-Key"] = args[1] }
  paths = { "/api/ota/tickets" }
  for place = 2, #args do
    table.insert(paths, "/api/ota/tickets?cursor=" .. args[place])
  end
  turn = 0
end

function request()
  turn = turn + 1
  return wrk.format("GET", paths[turn % #paths + 1], headers)
end
