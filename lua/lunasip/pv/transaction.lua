--- Of the transaction, its branches and its dialog: $T_… $T(x) $sndto(x) $rpl(x) $rdir(x) $fti $tti $conid $mbu.
local core = require "lunasip.core"
local vias = require "lunasip.pv.vias"

local M = {}

local PROTOCOL_ID = { udp = 1, tcp = 2, tls = 3, sctp = 4, ws = 5, wss = 6 }

-- A table of readers chosen by the argument: { name = function(message) }.
local function one_of(readers, name)
    return {
        argument = "required",
        prepare = function(argument)
            local known = {}
            for key in pairs(readers) do
                known[#known + 1] = key
            end
            table.sort(known)
            return readers[argument], "$" .. name .. "(" .. argument .. "): one of " .. table.concat(known, ", ")
        end,
        get = function(m, read)
            return read(m)
        end,
    }
end

-- ---- the transaction ----

-- In an onreply route its reply, in a failure route the one that won; 0 and "" elsewhere.
local function reply_code(m)
    local reply = core.reply_of(m)
    return reply and reply.status or 0
end

local function reply_reason(m)
    local reply = core.reply_of(m)
    return reply and reply.reason or ""
end

-- A branch's own index; in the other routes how many branches there are, those added to come included.
local function branch_index(m)
    local index = m.branch_index
    if index then
        return index
    end
    local count = core.branch_count(m)
    local waiting = count and core.vars(m).branches
    return count and count + (waiting and #waiting or 0) or -1
end

local function reply_type(m)
    local reply = core.reply_of(m)
    return reply and (reply.is_local and 1 or 0) or nil
end

M.T_branch_idx = { get = branch_index }
M.T_reply_code = { get = reply_code }
M.T_reply_reason = { get = reply_reason }
M.T_reply_last = { get = reply_code }

M.T = one_of({
    reply_code = reply_code, reply_reason = reply_reason, reply_last = reply_code, reply_type = reply_type,
    branch_index = branch_index,
}, "T")

M.T_branch = one_of({
    uri = core.branch_ruri,
    flags = function(m)
        return m.branch_flags
    end,
}, "T_branch")

-- $T_req($fu): a variable of the transaction's other message.
local function of_message(name, other)
    return {
        argument = "required",
        literal = true,
        prepare = function(argument)
            if argument:sub(1, 1) ~= "$" then
                return nil, "$" .. name .. " takes a variable: $" .. name .. "($fu)"
            end
            return require("lunasip.pv").compile(argument)
        end,
        get = function(m, compiled)
            local message = other(m)
            return message and compiled.get(message)
        end,
    }
end

M.T_req = of_message("T_req", core.request_of)
M.T_rpl = of_message("T_rpl", core.reply_of)

-- ---- where a branch or a reply goes ----

-- "udp:10.0.0.1:5060" -> proto, host, port
local function socket_parts(text)
    local proto, host, port = (text or ""):match "^(%a+):(.*):(%d+)$"
    return proto, host and (host:match "^%[(.*)%]$" or host), tonumber(port)
end

local function family(host)
    return host and (host:find(":", 1, true) and 10 or 2)
end

-- Readers of an address that address(m) gives as proto, host, port.
local function address_parts(address)
    return {
        ip = function(m)
            local _, host = address(m)
            return host
        end,
        port = function(m)
            local _, _, port = address(m)
            return port
        end,
        proto = function(m)
            local proto = address(m)
            return PROTOCOL_ID[proto]
        end,
        sproto = function(m)
            return (address(m))
        end,
        af = function(m)
            local _, host = address(m)
            return family(host)
        end,
    }
end

-- Kamailio has them in its onsend_route; here they are those of a branch route.
M.sndto = one_of(address_parts(function(m)
    local host, port = core.branch_address(m)
    return host and (socket_parts(m.send_socket)), host, port
end), "sndto")
M.snd = M.sndto
M.sndfrom = one_of(address_parts(function(m)
    if core.branch_address(m) then
        return socket_parts(m.send_socket)
    end
end), "sndfrom")

M.rpl = one_of({
    duri = vias.reply_uri,
    dhost = function(m)
        local _, host = vias.reply_target(m)
        return host
    end,
    dport = function(m)
        local _, _, port = vias.reply_target(m)
        return port
    end,
    dproto = function(m)
        return (vias.reply_target(m))
    end,
    dprotoid = function(m)
        return PROTOCOL_ID[vias.reply_target(m)]
    end,
    cntvia = function(m)
        return not m.is_request and vias.count(m) or nil
    end,
}, "rpl")

-- ---- the dialog ----

-- Without a dialog that we know, a request counts as the caller's.
local function direction(m)
    return core.direction(m) or "downstream"
end

M.rdir = one_of({
    id = function(m)
        return direction(m) == "downstream" and 1 or 2
    end,
    name = direction,
}, "rdir")

M.fti = {
    get = function(m)
        local _, caller = core.direction(m)
        return caller or m.from_tag
    end,
}
M.tti = {
    get = function(m)
        local known, _, callee = core.direction(m)
        if known then
            return callee
        end
        return m.to_tag
    end,
}

-- ---- the message as it is ----

M.conid = { get = core.connection }
M.mbu = { get = core.current_bytes }

return M
