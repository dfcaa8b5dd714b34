--- sip.nat: peers behind a NAT, as Kamailio's nathelper knows them.
local core = require "lunasip.core"
local suggest = require "lunasip.suggest"

local M = {}

local DEFAULT = 1 + 2 + 16 -- Contact private, Via of another host, Via of another port

-- The engine's words and bits; asked for when they are needed.
local tests

local function bits_of(wanted)
    if type(wanted) == "number" then
        return wanted
    elseif type(wanted) ~= "table" then
        error("nat.is_natted: tests are a number or a list of words, not a " .. type(wanted), 3)
    end
    tests = tests or core.nat_tests()
    local sum, seen = 0, {}
    for _, word in ipairs(wanted) do
        if not tests[word] then
            error(("nat.is_natted: no test '%s'%s"):format(tostring(word), suggest.hint(tostring(word), tests)), 3)
        end
        sum, seen[word] = sum + (seen[word] and 0 or tests[word]), true
    end
    return sum
end

--- Is any of the tests true for the message as it came?
--
-- Words and bits are those of Kamailio's nat_uac_test: contact_private 1, via_differs 2, via_private 4, sdp_private 8,
-- via_port_differs 16, source_private 32, websocket 64, contact_port_differs 128, sdp_differs 256.
-- @param msg request or reply
-- @param[opt] wanted a sum of bits, or a list of words; default 1 + 2 + 16
-- @treturn boolean, integer the bits of those that are true
-- @usage if sip.nat.is_natted(req, { "contact_private", "via_differs" }) then sip.nat.fix_contact(req) end
function M.is_natted(msg, wanted)
    local found = core.nat_test(msg, wanted == nil and DEFAULT or bits_of(wanted))
    return found ~= 0, found
end

--- Put the source address and port into every Contact; a second time changes nothing.
-- @treturn boolean whether anything changed, or nil, err
function M.fix_contact(msg)
    return core.nat_fix_contact(msg)
end

--- Put ";alias=HOST~PORT~PROTO" of the source into every Contact that does not lead there, which else stays as it is.
-- @treturn boolean whether anything changed, or nil, err
-- @usage sip.nat.set_alias(req)
function M.set_alias(msg)
    return core.nat_set_alias(msg)
end

--- Take the last alias off the Request-URI and send the request where it leads ($du).
--
-- Only for requests within a dialog: whoever writes an alias says where we send to.
-- @treturn boolean true; false when there is no alias; or nil, err
-- @usage if req:in_dialog() then sip.nat.handle_alias(req) end
function M.handle_alias(req)
    return core.nat_handle_alias(req)
end

return M
