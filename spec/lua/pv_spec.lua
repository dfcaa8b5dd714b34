local fake = require "spec.lua.fake_core"
local pv = require "lunasip.pv"
require "lunasip.runtime" -- hands pv.get and pv.set to the (fake) engine

describe("pseudo-variables", function()
    before_each(fake.reset)

    -- name, value, in the order of kemi.md s3.2
    local values = {
        { "$ru", "sip:100@127.0.0.10:5060;transport=udp" }, { "$ruri", "sip:100@127.0.0.10:5060;transport=udp" },
        { "$rU", "100" }, { "$rd", "127.0.0.10" }, { "$rp", "5060" }, { "$rP", "UDP" }, { "$rz", "sip" },
        { "$rul", 37 }, { "$rUl", 3 },
        { "$ou", "sip:100@127.0.0.10:5060;transport=udp" }, { "$oU", "100" }, { "$od", "127.0.0.10" },
        { "$op", "5060" }, { "$oP", "UDP" }, { "$oUl", 3 },
        { "$du", nil }, { "$dd", nil }, { "$dp", nil }, { "$dP", nil },
        { "$fu", "sip:alice@example.com" }, { "$from", "sip:alice@example.com" }, { "$fU", "alice" },
        { "$fd", "example.com" }, { "$fn", '"Alice A"' }, { "$ft", "a1" }, { "$fUl", 5 },
        { "$tu", "sip:100@example.com" }, { "$to", "sip:100@example.com" }, { "$tU", "100" }, { "$td", "example.com" },
        { "$tn", nil }, { "$tt", nil }, { "$tts", 0 }, { "$tUl", 3 },
        { "$ci", "call-1@127.0.0.1" }, { "$cs", "1" }, { "$csb", "1 INVITE" },
        { "$ct", "<sip:alice@127.0.0.1:5070>;expires=60" }, { "$ctu", "sip:alice@127.0.0.1:5070" }, { "$cts", 0 },
        { "$cT", "application/sdp" }, { "$cl", 5 }, { "$ua", "phone/1" }, { "$rb", "v=0\r\n" }, { "$bs", 5 },
        { "$rm", "INVITE" }, { "$rmid", 1 }, { "$rs", nil }, { "$rr", nil }, { "$rv", "SIP/2.0" },
        { "$ai", "sip:+4912@example.com" }, { "$pu", nil }, { "$pU", nil }, { "$pd", nil }, { "$pn", nil },
        { "$re", nil }, { "$rt", nil }, { "$di", "sip:bob@example.com" }, { "$dip", "off" }, { "$dir", "busy" },
        { "$dic", "2" },
        { "$au", "alice" }, { "$aU", "alice@home.example" }, { "$ad", "home.example" }, { "$ar", "example.com" },
        { "$adu", "sip:example.com" }, { "$aa", "MD5" }, { "$Au", "alice@example.com" }, { "$AU", "alice" },
        { "$si", "127.0.0.1" }, { "$siz", "127.0.0.1" }, { "$sp", 5070 }, { "$su", "sip:127.0.0.1:5070" },
        { "$sut", "sip:127.0.0.1:5070;transport=udp" }, { "$sas", "udp:127.0.0.1:5070" },
        { "$Ri", "127.0.0.10" }, { "$Rp", 5060 }, { "$Ru", "sip:127.0.0.10:5060" },
        { "$Rut", "sip:127.0.0.10:5060;transport=udp" }, { "$Rn", "public" }, { "$Ras", "udp:127.0.0.10:5060" },
        { "$RAi", "192.0.2.7" }, { "$RAp", 5062 }, { "$RAu", "sip:192.0.2.7:5062" },
        { "$RAut", "sip:192.0.2.7:5062;transport=udp" },
        { "$fs", nil }, { "$fsn", nil }, { "$pr", "udp" }, { "$proto", "udp" }, { "$prid", 1 }, { "$af", 2 },
        { "$mf", 0 }, { "$mF", "00000000" }, { "$bf", 0 }, { "$sf", 0 },
        { "$mi", 12 }, { "$ml", 60 }, { "$mt", 1 }, { "$msg(len)", 60 }, { "$msg(body_len)", 5 },
        { "$msg(fline)", "INVITE sip:100@127.0.0.10 SIP/2.0" }, { "$msg(hdrs)", "Via: x\r\nFrom: y" },
        { "$hdr(X-Foo)", "one" }, { "$(hdr(X-Foo)[1])", "two" }, { "$(hdr(x-foo)[-1])", "two" },
        { "$(hdr(X-Foo)[*])", "one, two" }, { "$(hdr(X-Foo)[2])", nil }, { "$hdr(None)", nil },
        { "$hdrc(X-Foo)", 2 }, { "$hdrc(Via)", 2 }, { "$hflc(Via)", 3 },
        { "$(hfl(Via)[1])", "SIP/2.0/TCP [::1]:5080;branch=z9hG4bK0" },
        { "$via0(host)", "127.0.0.1" }, { "$via0(port)", 5070 }, { "$via0(branch)", "z9hG4bK1" },
        { "$via0(rport)", "5070" }, { "$via1(host)", "[::1]" }, { "$via1(proto)", "tcp" }, { "$via1(protoid)", 2 },
        { "$viaZ(host)", "last.example.com" }, { "$viaZ(port)", 5060 }, { "$viaZ(received)", nil },
        { "$expires(min)", 60 }, { "$expires(max)", 60 }, { "$rr_count", 0 }, { "$rr_top_count", 0 },
        { "$route_uri", nil }, { "$nh(u)", "sip:100@127.0.0.10:5060;transport=udp" }, { "$nh(d)", "127.0.0.10" },
        { "$nh(p)", "5060" }, { "$nh(P)", "UDP" }, { "$nh(U)", "100" },
        { "$Ts", 1000000000 }, { "$TS", 1000000000 }, { "$TV(s)", 1000000000 }, { "$TV(u)", 0 },
        { "$TV(Sn)", "1000000000.000000" }, { "$utime(year)", 2001 }, { "$utime(mon)", 9 }, { "$utime(hour)", 1 },
        { "$utime(wday)", 1 }, { "$utimef(%Y-%m-%d %H:%M:%S)", "2001-09-09 01:46:40" },
        { "$K(IPv6)", 10 }, { "$K(WSS)", 6 }, { "$Es", " " }, { "$Eq", '"' }, { "$En", "\n" }, { "$Eb", "\\" },
        { "$null", nil }, { "$$", "$" }, { "$C(bg)", "\27[0;34;42m" }, { "$T_branch_idx", -1 }, { "$sid", 0 },
        { "$_s(sip:$rU@$fd)", "sip:100@example.com" }, { "$hdr($_s(X-Foo))", "one" },
        { "$var(unset)", 0 }, { "$vz(unset)", 0 }, { "$vn(unset)", nil }, { "$avp(unset)", nil },
        { "$(avp(unset)[*])", nil }, { "$cnt($avp(unset))", 0 }, { "$shv(unset)", 0 }, { "$sht(t=>unset)", nil },
    }
    for _, case in ipairs(values) do
        it("reads " .. case[1], function()
            assert.same(case[2], fake.invite()[case[1]])
        end)
    end

    it("have no Request-URI in a reply, and a status", function()
        local reply = fake.message { is_request = false, method = "INVITE", status = 200, reason = "OK" }
        assert.is_nil(reply["$ru"])
        assert.is_nil(reply["$rU"])
        assert.equal(200, reply["$rs"])
        assert.equal("OK", reply["$rr"])
        assert.equal(2, reply["$mt"])
    end)

    it("give ports that are not written their transport's default", function()
        assert.equal("5061", fake.invite { ruri = "sips:a@b" }["$rp"])
        assert.equal("TLS", fake.invite { ruri = "sips:a@b" }["$rP"])
        assert.equal("5061", fake.invite { ruri = "sip:a@b;transport=tls" }["$rp"])
    end)

    it("take a urn apart", function()
        local m = fake.invite { ruri = "urn:service:sos.fire" }
        assert.same({ "urn", "service", "sos.fire" }, { m["$rz"], m["$rU"], m["$rd"] })
    end)

    it("know the process and the host", function()
        local m = fake.invite()
        assert.is_true(m["$pp"] > 0)
        assert.is_truthy(m["$HN(n)"])
        assert.is_true(m["$RANDOM"] >= 0 and m["$RANDOM"] < 2147483648)
        assert.equal(os.getenv "PATH", m["$env(PATH)"])
        assert.is_nil(m["$env(NO_SUCH_NAME_HERE)"])
    end)

    it("write IPv6 sources with and without brackets", function()
        local m = fake.invite { source_ip = "2001:db8::1" }
        assert.equal("2001:db8::1", m["$si"])
        assert.equal("[2001:db8::1]", m["$siz"])
        assert.equal("sip:[2001:db8::1]:5070", m["$su"])
        assert.equal(10, m["$af"])
    end)

    describe("that can be written", function()
        it("re-compose the Request-URI", function()
            local m = fake.invite()
            m["$rU"] = "200"
            assert.equal("sip:200@127.0.0.10:5060;transport=udp", m.ruri)
            m["$rd"] = "example.net"
            m["$rp"] = "5070"
            assert.equal("sip:200@example.net:5070;transport=udp", m.ruri)
            m["$rU"] = nil
            m["$rp"] = nil
            assert.equal("sip:example.net;transport=udp", m.ruri)
            m["$ru"] = "tel:+491"
            assert.equal("+491", m["$rU"])
            assert.has_error(function() m["$rd"] = nil end)
        end)

        it("set and clear the next hop", function()
            local m = fake.invite()
            m["$du"] = "sip:127.0.0.21:5070;transport=tcp"
            assert.equal("127.0.0.21", m["$dd"])
            assert.equal("5070", m["$dp"])
            assert.equal("TCP", m["$dP"])
            assert.equal("127.0.0.21", m["$nh(d)"])
            m["$du"] = ""
            assert.is_nil(m["$du"])
        end)

        it("change From and To", function()
            local m = fake.invite()
            m["$fU"], m["$fn"], m["$td"] = "bob", '"Bob"', "example.org"
            assert.equal("sip:bob@example.com", m.from_uri)
            assert.equal('"Bob"', m.from_display)
            assert.equal("sip:100@example.org", m.to_uri)
        end)

        it("choose the sending socket", function()
            local m = fake.invite()
            m["$fs"], m["$fsn"] = "udp:127.0.0.20:5060", "private"
            assert.equal("udp:127.0.0.20:5060", m.send_socket)
            assert.equal("private", m.send_interface)
        end)

        it("keep flags as numbers and hexadecimal texts", function()
            local m = fake.invite()
            m["$mf"] = 255
            assert.equal("000000ff", m["$mF"])
            m["$mF"] = "10"
            assert.equal(16, m["$mf"])
        end)

        it("say so when they are not", function()
            assert.has_error(function() fake.invite()["$si"] = "x" end, nil)
            local ok, err = pcall(function() fake.invite()["$si"] = "x" end)
            assert.is_false(ok)
            assert.matches("%$si' is read%-only", err)
            ok, err = pcall(function() fake.invite()["$ru"] = {} end)
            assert.is_false(ok)
            assert.matches("not a table", err)
        end)
    end)

    describe("of the script's own", function()
        it("$var lives in the run, unset or set to nil it is 0", function()
            local m = fake.invite()
            m["$var(x)"] = "text"
            assert.equal("text", m["$var(x)"])
            m["$var(x)"] = nil
            assert.equal(0, m["$var(x)"])
            m["$vn(x)"] = 5
            assert.equal(5, m["$vn(x)"])
            assert.equal(0, m["$var(x)"])
        end)

        it("$avp is a stack", function()
            local m = fake.invite()
            m["$avp(x)"] = 1
            m["$avp(s:x)"] = "two"
            assert.equal("two", m["$avp(x)"])
            assert.equal(1, m["$(avp(x)[1])"])
            assert.equal(1, m["$(avp(x)[-1])"])
            assert.equal("two, 1", m["$(avp(x)[*])"])
            assert.equal(2, m["$cnt($avp(x))"])
            m["$avp(x)"] = nil
            assert.equal(1, m["$avp(x)"])
            m["$(avp(x)[*])"] = "only"
            assert.equal(1, m["$cnt($avp(x))"])
            m["$(avp(x)[0])"] = "changed"
            assert.equal("changed", m["$avp(x)"])
            m["$(avp(x)[*])"] = nil
            assert.is_nil(m["$avp(x)"])
            assert.is_nil(m["$avp(i:5)"])
        end)

        it("$shv and $sht are shared", function()
            local m, other = fake.invite(), fake.invite()
            m["$shv(n)"], m["$sht(t=>$fU)"] = 7, "here"
            assert.equal(7, other["$shv(n)"])
            assert.equal("here", other["$sht(t=>alice)"])
            assert.equal(1, m["$shtinc(t=>calls)"])
            assert.equal(2, m["$shtinc(t=>calls)"])
            m["$sht(t=>alice)"] = nil
            assert.is_nil(other["$sht(t=>alice)"])
        end)

        it("can be an index", function()
            local m = fake.invite()
            m["$var(i)"] = 1
            assert.equal("two", m["$(hdr(X-Foo)[$var(i)])"])
        end)
    end)

    describe("that are wrong", function()
        local faults = {
            ["$rx"] = "unknown variable %$rx",
            ["$Rii"] = "did you mean 'Ri'",
            ["$"] = "is not a variable",
            ["$(ru"] = "is not a variable",
            ["$ru junk"] = "goes on after the variable",
            ["$hdr"] = "%$hdr needs an argument",
            ["$ru(x)"] = "takes no argument",
            ["$(ru[1])"] = "takes no index",
            ["$(ru{s.nothing})"] = "no transformation {s.nothing}",
            ["$(ru{x.y})"] = "no transformation {x.y}",
            ["$(ru{re.subst,/a/b/})"] = "not available",
            ["$branch(uri)"] = "req:fork",
            ["$dlg_var(x)"] = "not available",
            ["$via0(colour)"] = "one of",
            ["$(ru{s.substr})"] = "takes 1 to 2 parameters, not 0",
        }
        for text, message in pairs(faults) do
            it("raise at the script's line: " .. text, function()
                local ok, err = pcall(function() return fake.invite()[text] end)
                assert.is_false(ok)
                assert.matches(message, err)
                assert.matches("pv_spec%.lua:%d+: ", err)
            end)
        end
    end)

    it("have the value of the word that they are said to be", function()
        local pv_names = require "lunasip.pv_names"
        local messages = { fake.invite(), fake.message { is_request = false, status = 200, reason = "OK" } }
        for variable, word in pairs(pv_names.words()) do
            for _, m in ipairs(messages) do
                assert.equal(m[word], m[variable], variable)
            end
        end
    end)

    it("survive any nesting", function()
        local deep = "$" .. ("("):rep(2000) .. "x" .. (")"):rep(2000)
        assert.is_nil((pv.compile(deep)))
        assert.is_nil((pv.compile("$hdr" .. ("("):rep(5000) .. (")"):rep(5000))))
    end)

    it("are kept in a bounded cache", function()
        for i = 1, 5000 do
            assert.is_truthy(pv.compile("$var(n" .. i .. ")"))
        end
        assert.equal(0, fake.invite()["$var(n1)"])
    end)
end)
