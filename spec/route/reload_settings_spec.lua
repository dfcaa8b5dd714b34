-- Every setting that there is: a reload takes another value, or refuses it by name and says why.
local configuration = require "lunasip.lab.configuration"
local fake = require "spec.lua.fake_core"
local lab = require "lunasip.lab"

-- What is made at the start; true: the whole block. All else changes while calls go on.
local FIXED = {
    limits = { message_bytes = true, mailbox = true, sources = true },
    shared = { bytes = true },
    location = {
        aors = true, use_domain = true, case_sensitive = true, q_default = true, request_contacts = true,
        uri_bytes = true, path_bytes = true, text_bytes = true, expire_batch = true, db_mode = true,
        store_queue = true, write_through_ms = true, write_back_ms = true, load_batch = true,
    },
    dialog = { recorder_mib = true, recorder_message_bytes = true },
    dscp = { sip = true },
    database = true,
    http = true,
}

describe("a reload of", function()
    local net, path, blocks

    setup(function()
        path = os.tmpname()
        local file = assert(io.open(path .. ".route", "w"))
        file:write "function request_route(req) req:reply(200) end\n"
        file:close()
    end)

    teardown(function()
        os.remove(path)
        os.remove(path .. ".route")
    end)

    local function write()
        local file = assert(io.open(path, "w"))
        file:write(configuration.print(blocks))
        file:close()
    end

    before_each(function()
        blocks = {
            listen = { public = { "udp:192.0.2.1:5060" }, private = { "udp:10.0.0.1:5060" } },
            media = { public = "192.0.2.1", private = "10.0.0.1", ports = { 30000, 30009 } },
            route = path .. ".route",
            records = {},
        }
        write()
        net = lab.new { conf = path }
    end)
    after_each(function()
        net:close()
    end)

    local function reload()
        write()
        return net:command "reload"
    end

    local function generation()
        local list = net:status().generations
        return list[#list].id
    end

    local function is_fixed(setting)
        local block = FIXED[setting.block]
        return block == true or block and block[setting.name]
    end

    for _, setting in ipairs(fake.core.settings()) do
        local name = setting.block .. "." .. setting.name
        local other = setting.value < setting.most and setting.value + 1 or setting.value - 1
        it(name .. (is_fixed(setting) and " is refused by name" or " is taken"), function()
            blocks[setting.block] = { [setting.name] = other }
            local answer = reload()
            if is_fixed(setting) then
                assert.equal(1, answer.code)
                local reason = answer.text:match(":%d+: " .. name:gsub("%.", "%%.") .. " (%b()) cannot change while ")
                assert.is_true(reason ~= nil and #reason > 10, answer.text)
                assert.equal(1, generation())
            else
                assert.equal(0, answer.code, answer.text)
                assert.is_truthy(net:logged(("^%s is now %.0f, was %.0f$"):format(name:gsub("%.", "%%."), other,
                    setting.value)))
                assert.equal(2, generation())
            end
        end)
    end

    -- What is no number: block, its value, what the refusal names; without that it is taken.
    for _, case in ipairs {
        { "listen", { public = { "udp:192.0.2.1:5070" }, private = { "udp:10.0.0.1:5060" } }, "listen" },
        { "media", { public = "192.0.2.7", private = "10.0.0.1" }, "media" },
        { "media", { public = "192.0.2.1", private = "10.0.0.1", ports = { 31000, 31009 } } },
        { "dispatcher", { sets = { [1] = { "sip:10.0.0.20" } } }, "dispatcher" },
        { "control", { socket = "other.sock" }, "control" },
        { "log", { to = "syslog" }, "log.to" },
        { "log", { level = "warning" } },
        { "workers", 3, "workers" },
        { "media_threads", 3, "media_threads" },
        { "user", "nobody", "user" },
        { "auth", { secret = "sixteen letters or more" }, "auth.secret" },
        { "auth", { domain = "example.net" } },
        { "location", { database = "sqlite:/nowhere/x.db" }, "location.database" },
        { "database", { url = "sqlite:/nowhere/x.db" } },
        { "drain", { rule = "bye" } },
        { "records", { file = "/nowhere/calls.jsonl" }, "records.file" },
        { "records", { database = "sqlite:/nowhere/x.db", spool = "/nowhere/x" }, "records.database" },
        { "records", { acc_extra = { "account" } }, "records.acc_extra" },
        { "records", { cdr_extra = { "account" } }, "records.cdr_extra" },
        { "address", { trunks = { "192.0.2.0/24" } } },
    } do
        local block, value, refused = case[1], case[2], case[3]
        it(("%s %s"):format(block, refused and "is refused by name: " .. refused or "is taken"), function()
            blocks[block] = value
            local answer = reload()
            assert.equal(refused and 1 or 0, answer.code, answer.text)
            if refused then
                assert.matches(": " .. refused:gsub("%.", "%%.") .. " %(.+%) cannot change while running", answer.text)
            end
            assert.equal(refused and 1 or 2, generation())
        end)
    end

    it("several that cannot change names them all", function()
        blocks.workers, blocks.dscp, blocks.http = 3, { sip = 8 }, { requests = 7 }
        local text = reload().text
        assert.matches("workers %(", text)
        assert.matches("dscp%.sip %(", text)
        assert.matches("http%.requests %(", text)
        assert.matches("put them back", text)
    end)
end)
