-- Sends what a file says, one request a line and each once, or round and round:
--   wrk … --script requests.lua URL -- FILE once|again [LINES TO SKIP]
-- A line holds method, path, bearer, If-None-Match and body, with tabs between.

local requests = {}
local sent = 0
local again = false

function init(arguments)
  again = arguments[2] == "again"
  sent = tonumber(arguments[3] or 0)
  for line in io.lines(arguments[1]) do
    local fields = {}
    for field in (line .. "\t"):gmatch("([^\t]*)\t") do
      fields[#fields + 1] = field
    end
    local headers = {}
    for name, value in pairs(wrk.headers) do
      headers[name] = value
    end
    if fields[3] ~= "" then headers["Authorization"] = "Bearer " .. fields[3] end
    if fields[4] ~= "" then headers["If-None-Match"] = fields[4] end
    local body = nil
    if fields[1] ~= "GET" then
      headers["Content-Type"] = "application/json"
      body = fields[5]
    end
    requests[#requests + 1] = wrk.format(fields[1], fields[2], headers, body)
  end
end

function request()
  sent = sent + 1
  if sent > #requests then
    if not again then error("no request is left: the file has too few lines") end
    sent = 1
  end
  return requests[sent]
end
