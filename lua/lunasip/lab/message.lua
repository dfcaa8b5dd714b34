--- SIP messages of the agents: read from bytes, written from parts. Independent of the engine's
-- parser on purpose: what the engine sends is judged by other eyes.
local sdp = require "lunasip.lab.sdp"

local M = {}
local Message = {}
Message.__index = Message

local COMPACT = {
    v = "via", f = "from", t = "to", i = "call-id", m = "contact", l = "content-length", c = "content-type",
    k = "supported", s = "subject", e = "content-encoding",
}

local function canonical(name)
    name = name:lower()
    return COMPACT[name] or name
end

--- Read a message; nil when the bytes are none.
function M.parse(bytes)
    local head, body = bytes:match "^(.-\r\n)\r\n(.*)$"
    if not head then
        return nil
    end
    local first, rest = head:match "^(.-)\r\n(.*)$"
    local self = setmetatable({ bytes = bytes, body = body, headers = {} }, Message)
    self.method, self.uri = first:match "^(%S+) (%S+) SIP/2%.0$"
    if not self.method then
        local status, reason = first:match "^SIP/2%.0 (%d%d%d) ?(.*)$"
        self.status, self.reason = tonumber(status), reason
    end
    if not self.method and not self.status then
        return nil
    end
    rest = rest:gsub("\r\n[ \t]+", " ")
    for line in rest:gmatch "(.-)\r\n" do
        local name, value = line:match "^([^:]-)%s*:%s*(.-)%s*$"
        if name then
            table.insert(self.headers, { name = name, key = canonical(name), value = value })
        end
    end
    self.cseq, self.cseq_method = (self:header "CSeq" or ""):match "^(%d+)%s+(%S+)"
    self.cseq = tonumber(self.cseq)
    self.method = self.method or nil
    return self
end

--- Value of the first (or `index`th) header of that name.
function Message:header(name, index)
    local key, seen = canonical(name), 0
    for _, header in ipairs(self.headers) do
        if header.key == key then
            seen = seen + 1
            if seen == (index or 1) then
                return header.value
            end
        end
    end
end

--- All values of that name, comma-joined lists of Via, Route and Record-Route taken apart.
function Message:values(name)
    local key, list = canonical(name), {}
    local is_list = key == "via" or key == "route" or key == "record-route" or key == "contact"
    for _, header in ipairs(self.headers) do
        if header.key == key and is_list then
            local depth, start = 0, 1
            local value = header.value
            for i = 1, #value + 1 do
                local c = value:sub(i, i)
                if c == "<" then depth = depth + 1 elseif c == ">" then depth = depth - 1 end
                if (c == "," and depth == 0) or i == #value + 1 then
                    list[#list + 1] = value:sub(start, i - 1):match "^%s*(.-)%s*$"
                    start = i + 1
                end
            end
        elseif header.key == key then
            list[#list + 1] = header.value
        end
    end
    return list
end

--- The tag parameter of From or To.
function Message:tag(name)
    local value = self:header(name) or ""
    return value:gsub("^.*>", ""):match ";%s*tag=([^;%s]+)"
end

--- Its SDP as a table (lunasip.lab.sdp), that of a multipart body too; nil when there is none.
function Message:sdp()
    local kind = (self:header "Content-Type" or ""):lower()
    if #self.body == 0 or not kind:find "^application/sdp" and not kind:find "^multipart/" then
        return nil
    end
    local at = ("\n" .. self.body):find "\nv=0\r?\n"
    return at and sdp.parse(self.body:sub(at)) or nil
end

--- URI inside a name-addr value.
function M.uri_of(value)
    return value and (value:match "<([^>]+)>" or value:match "^%s*([^;%s]+)")
end

--- "host:port" of a URI, port 5060 when there is none.
function M.host_of(uri)
    local authority = uri:gsub("^sips?:", ""):gsub("^[^@]*@", ""):gsub("[;?>].*$", "")
    if authority:match "^%[" then
        return authority:match "%]:%d+$" and authority or authority .. ":5060"
    end
    return authority:match ":%d+$" and authority or authority .. ":5060"
end

--- Parameter of a Via value.
function M.via_param(via, name)
    return via:match(";%s*" .. name .. "=([^;,%s]+)")
end

--- Print: first line, { {name, value}, ... }, body.
function M.print(first, headers, body)
    local lines = { first }
    for _, header in ipairs(headers) do
        lines[#lines + 1] = header[1] .. ": " .. header[2]
    end
    lines[#lines + 1] = "Content-Length: " .. #(body or "")
    return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

--- One word for ladders: "INVITE" or "200 OK".
function Message:title()
    if self.method then
        return self.method .. (self:header "Content-Type" == "application/sdp" and " (SDP)" or "")
    end
    return self.status .. " " .. self.reason .. (self:header "Content-Type" == "application/sdp" and " (SDP)" or "")
end

return M
