-- Runs before Kong's own plugins (plugin pre-function). Drops what only the platform may say, gives an odd request id
-- up for a new one, and turns an API key into its hash: Kong's key-auth compares hashes, so no key is stored with Kong.
-- Needs untrusted_lua_sandbox_requires = resty.sha256,resty.string
local sha256, text = require "resty.sha256", require "resty.string"

local reserved, prefixes = RESERVED_NAMES, RESERVED_PREFIXES
for name in pairs(kong.request.get_headers(1000)) do
  local lower = name:lower()
  local drop = reserved[lower]
  for _, prefix in ipairs(prefixes) do
    drop = drop or lower:sub(1, #prefix) == prefix
  end
  if drop then
    kong.service.request.clear_header(name)
  end
end
kong.service.request.clear_header("x-dcoder-key-hash")
kong.service.request.clear_header("x-dcoder-session-bucket")

local id = kong.request.get_header("REQUEST_ID_HEADER")
if id and not ngx.re.match(id, [[REQUEST_ID_PATTERN]], "jo") then
  kong.service.request.clear_header("REQUEST_ID_HEADER")
end

local authorization = kong.request.get_header("authorization")
local key = kong.request.get_header("KEY_HEADER")
if authorization then
  key = authorization:match("^[Bb][Ee][Aa][Rr][Ee][Rr] +(%S+)$")
end
if key and ngx.re.match(key, [[KEY_PATTERN]], "jo") then
  local digest = sha256:new()
  digest:update(key)
  kong.service.request.set_header("x-dcoder-key-hash", text.to_hex(digest:final()))
elseif not key then
  -- A signed-in browser. Whether there is such a session the function tells; its calls count for the tenant that the
  -- cookie names together with the address, so that a forged cookie uses up nobody else's limit.
  local cookie = ngx.re.match(kong.request.get_header("cookie") or "", [[SESSION_COOKIE]], "jo")
  if cookie then
    kong.service.request.set_header("x-dcoder-key-hash", "SESSIONS")
    kong.service.request.set_header("x-dcoder-session-bucket", cookie[1] .. " " .. kong.client.get_forwarded_ip())
  end
end
