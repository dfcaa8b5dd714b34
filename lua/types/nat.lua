---@meta
-- Annotations for the Lua language server: sip.nat. Nothing here is ever run.
-- luacheck: ignore

---@alias lunasip.NatTest
---| "contact_private"      # bit 1: Contact has an address of RFC 1918 or RFC 6598
---| "via_differs"          # bit 2: the top Via names another host than the source
---| "via_private"          # bit 4: the top Via has such an address
---| "sdp_private"          # bit 8: a c= line has
---| "via_port_differs"     # bit 16: the source port is not that of the top Via
---| "source_private"       # bit 32: the source address is such a one
---| "websocket"            # bit 64: it came over a WebSocket
---| "contact_port_differs" # bit 128: the source port is not Contact's
---| "sdp_differs"          # bit 256: a c= line names another address than the source

---Peers behind a NAT.
---@class lunasip.Nat
local Nat = {}

---Is any of the tests true for the message as it came?
---@param message Message
---@param tests? integer|lunasip.NatTest[] 0 to 511: the sum of bits that nat_uac_test takes, or words; default 1 + 2 + 16
---@return boolean is_natted
---@return integer found bits of those that are true
function Nat.is_natted(message, tests) end

---Put the source address and port into every Contact; a second time changes nothing.
---@param message Message
---@return boolean? changed, string? err
function Nat.fix_contact(message) end

---Put ";alias=HOST~PORT~PROTO" of the source into every Contact that does not lead there.
---@param message Message
---@return boolean? changed, string? err
function Nat.set_alias(message) end

---Take the last alias off the Request-URI and send the request where it leads ($du). Request and failure routes.
---@param request Request
---@return boolean? handled false when there is no alias
---@return string? err
function Nat.handle_alias(request) end
