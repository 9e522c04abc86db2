-- Lists tickets in pages of 100: the first page, and the pages at the given cursors.
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
