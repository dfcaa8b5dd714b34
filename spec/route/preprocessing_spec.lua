local world = require "route.world"

local BACK = 'if req:loose_route() then req:relay() else req:reply(404, "Not Found") end'

describe("route information preprocessing (RFC 3261 §16.4)", function()
    local net, alice, callees

    local function open(body)
        net, alice, callees = world.open { body = body or BACK }
    end

    local function finish(request)
        callees.bob:reply(request, 200)
        alice:receive(200)
    end

    after_each(function()
        net:close()
    end)

    it("takes our own Route off and leaves the rest", function()
        open()
        alice:send(world.raw {
            method = "OPTIONS", uri = "sip:target@10.0.0.99",
            headers = { "Route: <sip:192.0.2.1;lr>", "Route: <sip:10.0.0.20:5060;lr>, <sip:far.example;lr>" },
        })
        local options = callees.bob:receive "OPTIONS"
        assert.same({ "<sip:10.0.0.20:5060;lr>", "<sip:far.example;lr>" }, options:values "Route")
        assert.equal("sip:target@10.0.0.99", options.uri)
        finish(options)
    end)

    it("takes both of a double Record-Route off and leaves through the second one's interface", function()
        open()
        alice:send(world.raw {
            method = "OPTIONS", uri = "sip:target@10.0.0.20",
            headers = { "Route: <sip:192.0.2.1:5060;lr;r2=on>,<sip:10.0.0.1:5060;lr;r2=on>" },
        })
        local options = callees.bob:receive "OPTIONS"
        assert.same({}, options:values "Route")
        assert.equal(world.US_PRIVATE, options.source)
        finish(options)
    end)

    it("leaves a foreign top Route alone", function()
        open 'sip.log.info("routed: %s", req:loose_route()) req:relay()'
        alice:send(world.raw {
            method = "OPTIONS", uri = "sip:target@10.0.0.99", headers = { "Route: <sip:10.0.0.20:5060;lr>" },
        })
        local options = callees.bob:receive "OPTIONS"
        assert.same({ "<sip:10.0.0.20:5060;lr>" }, options:values "Route")
        assert.is_string(net:logged "routed: false")
        finish(options)
    end)

    describe("maddr in the Request-URI", function()
        local function uri_sent(uri)
            open 'req:relay { to = "sip:10.0.0.20:5060", interface = "private" }'
            alice:send(world.raw { method = "OPTIONS", uri = uri })
            local options = callees.bob:receive "OPTIONS"
            finish(options)
            return options.uri
        end

        it("that is ours goes out, with port and transport", function()
            assert.equal("sip:bob@example.net;user=phone;x",
                uri_sent "sip:bob@example.net:5060;user=phone;MADDR=192.0.2.1;transport=udp;x")
        end)

        it("that is ours by the default port goes out", function()
            assert.equal("sip:bob@example.net", uri_sent "sip:bob@example.net;maddr=192.0.2.1")
        end)

        it("stays when the request came in another way, or it is not ours", function()
            for _, uri in ipairs {
                "sip:bob@example.net;maddr=192.0.2.77", "sip:bob@example.net:5070;maddr=192.0.2.1",
                "sip:bob@example.net;maddr=192.0.2.1;transport=tcp", "sip:bob@example.net;lr",
            } do
                assert.equal(uri, uri_sent(uri))
                if uri ~= "sip:bob@example.net;lr" then net:close() end
            end
        end)
    end)

    describe("a strict router before us", function()
        it("put our URI into the Request-URI: the last Route is the target", function()
            open()
            alice:send(world.raw {
                method = "OPTIONS", uri = "sip:192.0.2.1:5060;lr",
                headers = { "Route: <sip:10.0.0.20:5060;lr>", "Route: <sip:target@10.0.0.99>" },
            })
            local options = callees.bob:receive "OPTIONS"
            assert.equal("sip:target@10.0.0.99", options.uri)
            assert.same({ "<sip:10.0.0.20:5060;lr>" }, options:values "Route")
            finish(options)
        end)

        it("finds the target behind a comma, too", function()
            open()
            alice:send(world.raw {
                method = "OPTIONS", uri = "sip:192.0.2.1:5060;lr",
                headers = { "Route: <sip:10.0.0.20:5060;lr> , <sip:target@10.0.0.99>" },
            })
            local options = callees.bob:receive "OPTIONS"
            assert.equal("sip:target@10.0.0.99", options.uri)
            assert.same({ "<sip:10.0.0.20:5060;lr>" }, options:values "Route")
            finish(options)
        end)

        it("finds the target behind a comma and a fold, and leaves whole lines", function()
            open()
            alice:send(world.raw {
                method = "OPTIONS", uri = "sip:192.0.2.1:5060;lr",
                headers = { "Route: <sip:10.0.0.20:5060;lr>\t,\r\n <sip:target@10.0.0.99>", "Subject: kept" },
            })
            local options = callees.bob:receive "OPTIONS"
            assert.equal("sip:target@10.0.0.99", options.uri)
            assert.same({ "<sip:10.0.0.20:5060;lr>" }, options:values "Route")
            assert.equal("kept", options:header "Subject")
            finish(options)
        end)

        it("routes to the target when nothing else is left", function()
            open()
            alice:send(world.raw {
                method = "OPTIONS", uri = "sip:192.0.2.1:5060;lr", headers = { "Route: <sip:target@10.0.0.20>" },
            })
            local options = callees.bob:receive "OPTIONS"
            assert.equal("sip:target@10.0.0.20", options.uri)
            assert.same({}, options:values "Route")
            finish(options)
        end)

        it("may have taken the first half of our double Record-Route", function()
            open()
            alice:send(world.raw {
                method = "OPTIONS", uri = "sip:192.0.2.1:5060;lr;r2=on",
                headers = { "Route: <sip:10.0.0.1:5060;lr;r2=on>, <sip:target@10.0.0.20>" },
            })
            local options = callees.bob:receive "OPTIONS"
            assert.equal("sip:target@10.0.0.20", options.uri)
            assert.same({}, options:values "Route")
            assert.equal(world.US_PRIVATE, options.source)
            finish(options)
        end)
    end)

    it("a strict router behind us gets itself in the Request-URI, the target as last Route (§16.6 6)", function()
        open()
        alice:send(world.raw {
            method = "OPTIONS", uri = "sip:target@10.0.0.99",
            headers = { "Route: <sip:192.0.2.1;lr>, <sip:10.0.0.20:5060>, <sip:far.example;lr>" },
        })
        local options = callees.bob:receive "OPTIONS"
        assert.equal("sip:10.0.0.20:5060", options.uri)
        assert.same({ "<sip:far.example;lr>", "<sip:target@10.0.0.99>" }, options:values "Route")
        finish(options)
    end)

    it("a strict router behind us that is the last one leaves one Route: the target", function()
        open()
        alice:send(world.raw {
            method = "OPTIONS", uri = "sip:target@10.0.0.99",
            headers = { "Route: <sip:192.0.2.1;lr>, <sip:10.0.0.20:5060>" },
        })
        local options = callees.bob:receive "OPTIONS"
        assert.equal("sip:10.0.0.20:5060", options.uri)
        assert.same({ "<sip:target@10.0.0.99>" }, options:values "Route")
        finish(options)
    end)
end)
