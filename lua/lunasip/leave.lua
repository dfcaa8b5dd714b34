--- What one generation of a script leaves to the next: event_route["reload:leave"] returns it,
-- event_route["reload:enter"](event) of the next one finds a deep copy in event.state.
--
-- Two generations live in two Lua states: what goes from one to the other is copied through one text. Plain
-- data only, and no more than script.leave_bytes of it.
local core = require "lunasip.core"

local M = {}

local DEPTH_MOST = 32 -- tables within tables: deeper means in a circle

local pack_value

local function pack_table(value, out, depth)
    if depth > DEPTH_MOST then
        error("tables are nested deeper than " .. DEPTH_MOST .. ", or in a circle", 0)
    end
    if getmetatable(value) ~= nil then
        error("a table with a metatable is not plain data", 0)
    end
    out:add "{"
    for key, entry in next, value do
        pack_value(key, out, depth)
        pack_value(entry, out, depth)
    end
    out:add "}"
end

local PACKERS = {
    string = function(value, out)
        out:add(("s%d:"):format(#value))
        out:add(value)
    end,
    number = function(value, out)
        out:add(("n%.17g;"):format(value))
    end,
    boolean = function(value, out)
        out:add(value and "t" or "f")
    end,
    table = function(value, out, depth)
        return pack_table(value, out, depth + 1)
    end,
}

function pack_value(value, out, depth)
    local packer = PACKERS[type(value)]
    if not packer then
        error("a " .. type(value) .. " is not plain data (texts, numbers, booleans and tables of them are)", 0)
    end
    return packer(value, out, depth)
end

--- Make one text of plain data.
-- @param value text, number, boolean or table of these
-- @int most_bytes longest text
-- @treturn string or nil, err, whether it is too long
function M.pack(value, most_bytes)
    local parts, size_bytes = {}, 0
    local out = {
        add = function(_, part)
            size_bytes = size_bytes + #part
            if size_bytes > most_bytes then
                error(("it is longer than %.0f bytes (script.leave_bytes)"):format(most_bytes), 0)
            end
            parts[#parts + 1] = part
        end,
    }
    local ok, err = pcall(pack_value, value, out, 0)
    if not ok then
        return nil, err, size_bytes > most_bytes
    end
    return table.concat(parts)
end

local unpack_value

local function unpack_table(text, at)
    local value = {}
    while text:byte(at) ~= 125 do -- "}"
        local key
        key, at = unpack_value(text, at)
        value[key], at = unpack_value(text, at)
    end
    return value, at + 1
end

function unpack_value(text, at)
    local kind = text:sub(at, at)
    if kind == "s" then
        local colon = text:find(":", at, true)
        local stop = colon + tonumber(text:sub(at + 1, colon - 1))
        return text:sub(colon + 1, stop), stop + 1
    elseif kind == "n" then
        local stop = text:find(";", at, true)
        return tonumber(text:sub(at + 1, stop - 1)), stop + 1
    elseif kind == "{" then
        return unpack_table(text, at + 1)
    end
    return kind == "t", at + 1
end

--- The value that pack() made a text of.
function M.unpack(text)
    return (unpack_value(text, 1))
end

local function leaving(handler)
    return function()
        local state = handler { name = "reload:leave" }
        if state == nil then
            return
        end
        local packed, err, is_too_long = M.pack(state, core.leave_bytes())
        if packed then
            packed, err = core.leave(packed)
        elseif is_too_long then
            core.leave_refused()
        end
        if not packed then
            error("nothing is left to the next generation: " .. err, 0)
        end
    end
end

local function entering(handler)
    return function()
        local packed = core.left()
        handler { name = "reload:enter", state = packed and M.unpack(packed) }
    end
end

local WRAPPERS = { ["reload:leave"] = leaving, ["reload:enter"] = entering }

--- Event handlers by name; those of a reload as the engine calls them: without a dialog's event.
function M.wrap_all(handlers)
    for name, wrap in pairs(WRAPPERS) do
        handlers[name] = handlers[name] and wrap(handlers[name])
    end
    return handlers
end

return M
