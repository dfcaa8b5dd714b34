--- Flags of media.manage: unknown, not built, or in conflict with each other.
local core = require "lunasip.core"
local suggest = require "lunasip.suggest"
local walk = require "lunasip.check.walk"

local M = {}

-- Flags that say different things about the same; the last would win, which nobody means.
local EXCLUSIVE = {
    { "symmetric", "asymmetric" },
    { "strict-source", "no-strict-source" },
    { "replace-origin", "no-replace-origin" },
    { "trust-address", "sip-source-address" },
    { "no-rtcp-attribute", "full-rtcp-attribute" },
    { "rtcp-mux-accept", "rtcp-mux-reject" },
    { "rtcp-mux-answer", "rtcp-mux-reject" },
    { "rtcp-mux-demux", "rtcp-mux-accept" },
    { "rtcp-mux-demux", "rtcp-mux-reject" },
    { "rtp/avp", "rtp/avpf" },
}
-- Names that take one value.
local SINGLE = { ["endpoint-learning"] = true, ["address-family"] = true, ["media-address"] = true,
    ["transport-protocol"] = true, ["from-interface"] = true, ["to-interface"] = true, from = true, to = true }

-- For suggestions.
local NAMES = {}
local WORDS = "trust-address SIP-source-address replace-origin no-replace-origin replace-session-connection"
    .. " strict-source no-strict-source symmetric asymmetric rtcp-mux-offer rtcp-mux-require rtcp-mux-demux"
    .. " rtcp-mux-accept rtcp-mux-answer rtcp-mux-reject zero-address replace-zero-address no-rtcp-attribute"
    .. " full-rtcp-attribute original-sendrecv port-latching unidirectional to-tag direction from-interface"
    .. " to-interface media-address address-family endpoint-learning codec-strip codec-mask codec-except"
    .. " codec-offer from to"
for name in WORDS:gmatch "%S+" do
    NAMES[name] = true
end

local function spoken(flag)
    return (flag:lower():gsub("_", "-"))
end

local function check_flag(context, node, flag)
    local ok, fault = core.media_flags_check(flag)
    if not ok then
        local hint = suggest.hint(flag:match "^[^=]*", NAMES)
        context:fault("media", node, flag, fault .. (hint ~= "" and hint or "; lua/API.md lists the flags"))
    end
    return ok
end

-- flags: list of { name, value, node }
local function check_conflicts(context, flags)
    local seen = {}
    for _, flag in ipairs(flags) do
        local name = spoken(flag.name)
        local before = seen[name]
        if SINGLE[name] and before and before.value ~= flag.value then
            context:fault("media", flag.node, name, ("media flag '%s' is given as '%s' and as '%s'; keep one"):format(
                flag.name, before.value, flag.value))
        end
        seen[name] = flag
    end
    for _, pair in ipairs(EXCLUSIVE) do
        local first, second = seen[pair[1]], seen[pair[2]]
        if first and second then
            context:fault("media", second.node, pair[2], ("media flags '%s' and '%s' contradict each other; keep one")
                :format(first.name, second.name))
        end
    end
end

local function check_interface(context, node, name)
    local media = context.facts.media
    if media and next(media) and not media[name] then
        context:fault("media", node, name, ("the configuration's media block has no interface '%s'%s"):format(name,
            suggest.hint(name, media) ~= "" and suggest.hint(name, media) or "; add it there"))
    end
end

local DIRECTION = { from = true, to = true, ["from-interface"] = true, ["to-interface"] = true, direction = true }

local function check_text(context, node, text)
    local flags = {}
    for flag in text:gmatch "[^%s,;]+" do
        local name, value = flag:match "^([^=]+)=?(.*)$"
        flags[#flags + 1] = { name = name or flag, value = value, node = node }
    end
    local ok, fault = core.media_flags_check(text)
    if not ok then
        local named = fault:match "^media flag '(.-)'" or ""
        local hint = suggest.hint(named:match "^[^=]*", NAMES)
        context:fault("media", node, named, fault .. (hint ~= "" and hint or "; lua/API.md lists the flags"))
        return
    end
    check_conflicts(context, flags)
    for _, flag in ipairs(flags) do
        if DIRECTION[spoken(flag.name)] and flag.value ~= "" then
            check_interface(context, node, flag.value)
        end
    end
end

local function check_entry(context, name, value_node, key_node, flags)
    local kind = context.infer:of(value_node)
    local value = kind and kind.value
    if type(value) ~= "string" and type(value) ~= "boolean" then
        return
    end
    if check_flag(context, key_node, name .. "=" .. tostring(value)) then
        if value ~= false then
            flags[#flags + 1] = { name = name, value = tostring(value), node = key_node }
        end
        if DIRECTION[spoken(name)] and type(value) == "string" then
            check_interface(context, value_node, value)
        end
    end
end

local function check_table(context, node)
    local flags = {}
    for name, value, key_node in walk.pairs_of(node) do
        if value.tag == "Table" then
            for _, item in ipairs(value) do
                local kind = item.tag ~= "Pair" and context.infer:of(item)
                if kind and type(kind.value) == "string" then
                    check_flag(context, item, name .. "=" .. kind.value)
                end
            end
        else
            check_entry(context, name, value, key_node, flags)
        end
    end
    check_conflicts(context, flags)
end

function M.Call(context, node)
    local kind = context.infer:of(node[1])
    if not kind or not kind.declared or kind.owner ~= "lunasip.Media" or kind.name ~= "manage" or not node[3] then
        return
    end
    local options = context.infer:of(node[3])
    if options and type(options.value) == "string" then
        check_text(context, node[3], options.value)
    elseif options and options.base == "table" and options.node and options.node.tag == "Table" then
        check_table(context, options.node)
    end
end

return M
