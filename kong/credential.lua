-- Runs before Kong's own plugins (plugin pre-function). Drops what only the platform may say, gives an odd request id
-- up for a new one, and says who calls, as far as that can be told without asking the platform: the key with which
-- key-auth finds a consumer, and the bucket that shared consumers are limited by. Functions verify every credential.
-- Needs untrusted_lua_sandbox_requires = resty.sha256,resty.string,cjson.safe
local sha256, text, json = require "resty.sha256", require "resty.string", require "cjson.safe"
local set, clear = kong.service.request.set_header, kong.service.request.clear_header

local reserved, prefixes = RESERVED_NAMES, RESERVED_PREFIXES
-- Kong shows no more lines than these: what came after them could not be dropped.
local most, lines = 1000, 0
for name, value in pairs(kong.request.get_headers(most)) do
  lines = lines + (type(value) == "table" and #value or 1)
  local lower = name:lower()
  local drop = reserved[lower]
  for _, prefix in ipairs(prefixes) do
    drop = drop or lower:sub(1, #prefix) == prefix
  end
  if drop then
    clear(name)
  end
end
if lines >= most then
  return kong.response.exit(431)
end
clear("KEY_HASH_HEADER")
clear("BUCKET_HEADER")

local id = kong.request.get_header("REQUEST_ID_HEADER")
if id and not ngx.re.match(id, [[REQUEST_ID_PATTERN]], "jo") then
  clear("REQUEST_ID_HEADER")
end

-- With the address in the bucket, a claim that is not verified here uses up nobody else's limit.
local function known_as(key, bucket)
  set("KEY_HASH_HEADER", key)
  set("BUCKET_HEADER", bucket)
end

local function decoded(part)
  local bytes = ngx.decode_base64((part:gsub("-", "+"):gsub("_", "/")) .. ("="):rep((4 - #part % 4) % 4))
  local value = bytes and json.decode(bytes)
  return type(value) == "table" and value or nil
end

local algorithms = ALGORITHMS
local function token(value)
  local head, body = value:match("^([%w_-]+)%.([%w_-]+)%.[%w_-]+$")
  head, body = head and decoded(head), body and decoded(body)
  if not head or not body or not algorithms[head.alg] then
    return
  end
  if body.exp ~= nil and (type(body.exp) ~= "number" or body.exp + LEEWAY < ngx.time()) then
    return
  end
  local address, tenant = kong.client.get_forwarded_ip(), body["TENANT_CLAIM"]
  if type(tenant) == "string" and #tenant <= 64 and tenant:match("^[%w_-]+$") then
    return known_as("TOKENS", tenant .. " " .. address)
  end
  local roles = body["ROLES_CLAIM"]
  roles = type(roles) == "table" and roles or { roles }
  for _, role in ipairs(roles) do
    for word in tostring(role):gmatch("%S+") do
      if word == "superadmin" then
        return known_as("OPERATORS", "- " .. address)
      end
    end
  end
  return known_as("TOKENS", "- " .. address)
end

-- In a time that grows with the length alone: `^%s*(.-)%s*$` takes a second for a line full of blanks.
local function stripped(value)
  return value:match("^%s*$") and "" or value:match("^%s*(.*%S)")
end

-- As functions read it: the header Authorization first, when it holds anything.
local credential = stripped(kong.request.get_header("KEY_HEADER") or "")
local scheme, rest = stripped(kong.request.get_header("authorization") or ""):match("^(%S*) *(.*)$")
if scheme ~= "" and scheme:lower() ~= "bearer" then
  credential = "not a bearer credential"
elseif rest ~= "" then
  credential = rest
end
if ngx.re.match(credential, [[KEY_PATTERN]], "jo") then
  local digest = sha256:new()
  digest:update(credential)
  local hash = text.to_hex(digest:final())
  known_as(hash, hash)
elseif credential ~= "" then
  token(credential)
else
  local cookie = ngx.re.match(kong.request.get_header("cookie") or "", [[SESSION_COOKIE]], "jo")
  if cookie then
    known_as("SESSIONS", cookie[1] .. " " .. kong.client.get_forwarded_ip())
  end
end
