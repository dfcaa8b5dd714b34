-- The checks of route.wire find what they are there for: wires that no engine of ours should bring forth.
local wire = require "route.wire"

local ALICE, BOB, PUBLIC, PRIVATE = "192.0.2.10:5060", "10.0.0.20:5060", "192.0.2.1:5060", "10.0.0.1:5060"

local function sip(first, cseq, to_tag, extra)
    return ("%s\r\nFrom: <sip:a@x>;tag=a\r\nTo: <sip:b@x>%s\r\nCall-ID: c\r\nCSeq: %s\r\n%s\r\n"):format(first,
        to_tag and ";tag=" .. to_tag or "", cseq, extra or "")
end

local OK = "SIP/2.0 200 OK"
local function info(number) return sip("INFO sip:b@x SIP/2.0", number .. " INFO", "b") end

-- A net with these packets: { time, source, destination, bytes, arrivals }.
local function net_of(list)
    local packets = {}
    for i, one in ipairs(list) do
        packets[i] = {
            time = one[1], source = one[2], destination = one[3], bytes = one[4], arrivals = one[5] or { one[1] },
        }
    end
    return { packets = function() return packets end }
end

describe("the check of the wire", function()
    it("finds a request that overtook another", function()
        local in_order = {
            { 1, ALICE, PUBLIC, info(1) }, { 2, ALICE, PUBLIC, info(2) },
            { 3, PRIVATE, BOB, info(1) }, { 4, PRIVATE, BOB, info(2) }, { 5, PRIVATE, BOB, info(1) },
        }
        assert.is_nil(wire.overtaking(net_of(in_order)))
        in_order[3], in_order[4] = { 3, PRIVATE, BOB, info(2) }, { 4, PRIVATE, BOB, info(1) }
        assert.matches("INFO 1 a b left at 4.000000 after c to private: INFO 2 a b", wire.overtaking(net_of(in_order)))
    end)

    it("goes by arrival, not by sending; what was lost never came", function()
        assert.is_nil(wire.overtaking(net_of {
            { 1, ALICE, PUBLIC, info(1), { 2.5 } }, { 2, ALICE, PUBLIC, info(2), { 2.1 } },
            { 3, PRIVATE, BOB, info(2) }, { 4, PRIVATE, BOB, info(1) },
        }))
        assert.is_nil(wire.overtaking(net_of {
            { 1, ALICE, PUBLIC, info(1), {} }, { 2, ALICE, PUBLIC, info(2) }, { 3, PRIVATE, BOB, info(2) },
            { 4, ALICE, PUBLIC, info(1) }, { 5, PRIVATE, BOB, info(1) },
        }))
    end)

    it("finds responses that changed places, and leaves failures alone", function()
        local function ringing(tag) return sip("SIP/2.0 180 Ringing", "1 INVITE", tag) end
        assert.matches("left at", wire.overtaking(net_of {
            { 1, BOB, PRIVATE, ringing "b" }, { 2, BOB, PRIVATE, sip(OK, "1 INVITE", "b") },
            { 3, PUBLIC, ALICE, sip(OK, "1 INVITE", "b") }, { 4, PUBLIC, ALICE, ringing "b" },
        }))
        assert.is_nil(wire.overtaking(net_of {
            { 1, BOB, PRIVATE, sip("SIP/2.0 486 Busy", "1 INVITE", "b") }, { 2, BOB, PRIVATE, ringing "c" },
            { 3, PUBLIC, ALICE, ringing "c" }, { 4, PUBLIC, ALICE, sip("SIP/2.0 486 Busy", "1 INVITE", "b") },
        }))
    end)

    it("finds a 2xx more than came, and one with other bytes", function()
        local ok = sip(OK, "1 INVITE", "b")
        local came, left = { 1, BOB, PRIVATE, ok }, { 2, PUBLIC, ALICE, ok }
        assert.is_nil(wire.invented_success(net_of { came, left }))
        assert.is_nil(wire.invented_success(net_of { { 1, BOB, PRIVATE, ok, { 1, 1.5 } }, left, left }))
        assert.matches("a 2xx left 2 times and came 1 times", wire.invented_success(net_of { came, left, left }))
        assert.matches("a 2xx left 1 times and came 0 times",
            wire.invented_success(net_of { { 1, BOB, PRIVATE, ok, {} }, left }))
        assert.matches("two that differ", wire.invented_success(net_of {
            came, came, left, { 3, PUBLIC, ALICE, sip(OK, "1 INVITE", "b", "X-Other: 1\r\n") },
        }))
    end)
end)
