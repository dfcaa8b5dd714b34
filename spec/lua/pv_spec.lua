local fake = require "spec.lua.fake_core"
local pv = require "lunasip.pv"
require "lunasip.runtime" -- hands pv.get and pv.set to the (fake) engine

describe("pseudo-variables", function()
    before_each(fake.reset)

    -- name, value, in the order of kemi.md s3.2
    local values = {
        { "$ru", "sip:100@127.0.0.10:5060;transport=udp" }, { "$ruri", "sip:100@127.0.0.10:5060;transport=udp" },
        { "$rU", "100" }, { "$rd", "127.0.0.10" }, { "$rp", "5060" }, { "$rP", "udp" }, { "$rz", "sip" },
        { "$rul", 37 }, { "$rUl", 3 },
        { "$ou", "sip:100@127.0.0.10:5060;transport=udp" }, { "$oU", "100" }, { "$od", "127.0.0.10" },
        { "$op", "5060" }, { "$oP", "udp" }, { "$oUl", 3 },
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
        { "$(hdr(X-Foo)[*])", "one,two" }, { "$(hdr(X-Foo)[2])", nil }, { "$hdr(None)", nil },
        { "$hdrc(X-Foo)", 2 }, { "$hdrc(Via)", 2 }, { "$hflc(Via)", 3 },
        { "$(hfl(Via)[1])", "SIP/2.0/TCP [::1]:5080;branch=z9hG4bK0" },
        { "$via0(host)", "127.0.0.1" }, { "$via0(port)", 5070 }, { "$via0(branch)", "z9hG4bK1" },
        { "$via0(rport)", "5070" }, { "$via1(host)", "[::1]" }, { "$via1(proto)", "tcp" }, { "$via1(protoid)", 2 },
        { "$viaZ(host)", "last.example.com" }, { "$viaZ(port)", 5060 }, { "$viaZ(received)", nil },
        { "$expires(min)", 60 }, { "$expires(max)", 60 }, { "$rr_count", 0 }, { "$rr_top_count", 0 },
        { "$route_uri", nil }, { "$nh(u)", "sip:100@127.0.0.10:5060;transport=udp" }, { "$nh(d)", "127.0.0.10" },
        { "$nh(p)", "5060" }, { "$nh(P)", "udp" }, { "$nh(U)", "100" },
        { "$Ts", 1000000000 }, { "$TS", 1000000000 }, { "$TV(s)", 1000000000 }, { "$TV(u)", 0 },
        { "$TV(Sn)", "1000000000.000000" }, { "$utime(year)", 2001 }, { "$utime(mon)", 9 }, { "$utime(hour)", 1 },
        { "$utime(wday)", 1 }, { "$utimef(%Y-%m-%d %H:%M:%S)", "2001-09-09 01:46:40" },
        { "$K(IPv6)", 10 }, { "$K(WSS)", 6 }, { "$Es", " " }, { "$Eq", '"' }, { "$En", "\n" }, { "$Eb", "\\" },
        { "$null", nil }, { "$$", "$" }, { "$C(bg)", "\27[0;34;42m" }, { "$T_branch_idx", -1 }, { "$sid", 0 },
        { "$from.user", "alice" }, { "$from.domain", "example.com" }, { "$to.user", "100" },
        { "$to.domain", "example.com" }, { "$ruri.user", "100" }, { "$ruri.domain", "127.0.0.10" },
        { "$ouri", "sip:100@127.0.0.10:5060;transport=udp" }, { "$src_ip", "127.0.0.1" }, { "$true", 1 },
        { "$adn", "a,b" }, { "$adc", nil }, { "$adr", nil }, { "$ado", nil },
        { "$(ai[0])", "sip:+4912@example.com" }, { "$(ai[1])", "tel:+4912" }, { "$(ai[-1])", "tel:+4912" },
        { "$(ai[2])", nil }, { "$(pu[0])", nil },
        { "$Mf(0)", 0 }, { "$Bf(31)", 0 }, { "$Sf(5)", 0 }, { "$Mf(32)", nil },
        { "$mbu", "INVITE sip:100@127.0.0.10 SIP/2.0\r\nVia: x\r\nFrom: y\r\n\r\nv=0\r\n" },
        { "$msgbuf(0)", "I" }, { "$msgbuf(5)", "E" }, { "$msgbuf(9999)", nil }, { "$conid", nil },
        { "$rcv(buf)", "INVITE sip:100@127.0.0.10 SIP/2.0\r\nVia: x\r\nFrom: y\r\n\r\nv=0\r\n" },
        { "$rcv(len)", 60 }, { "$rcv(srcip)", "127.0.0.1" }, { "$rcv(srcport)", 5070 },
        { "$rcv(rcvip)", "127.0.0.10" }, { "$rcv(rcvport)", 5060 }, { "$rcv(proto)", 1 }, { "$rcv(sproto)", "udp" },
        { "$rcv(af)", 2 }, { "$rpl(duri)", nil }, { "$rpl(cntvia)", nil },
        { "$lsock(n/private/listen)", "udp:127.0.0.20:5060" }, { "$lsock(n/public/advertise)", "udp:192.0.2.7:5062" },
        { "$lsock(n/private/index)", 1 }, { "$lsock(l/udp:127.0.0.10:5060/name)", "public" },
        { "$lsock(n/none/listen)", nil }, { "$lsock(what)", nil },
        { "$version(num)", "0.1.0" }, { "$version(full)", "lunasip 0.1.0" }, { "$version(hash)", "0.1.0" },
        { "$cfg(line)", 12 }, { "$cfg(name)", "route.lua" }, { "$cfg(file)", "route.lua" },
        { "$T_reply_code", 0 }, { "$T_reply_reason", "" }, { "$T_reply_last", 0 }, { "$T(reply_code)", 0 },
        { "$T(reply_reason)", "" }, { "$T(reply_last)", 0 }, { "$T(reply_type)", nil }, { "$T(branch_index)", -1 },
        { "$T_req($fu)", nil }, { "$T_rpl($rs)", nil }, { "$T_branch(uri)", nil }, { "$T_branch(flags)", 0 },
        { "$sndto(ip)", nil }, { "$snd(port)", nil }, { "$sndfrom(ip)", nil },
        { "$rdir(id)", 1 }, { "$rdir(name)", "downstream" }, { "$fti", "a1" }, { "$tti", nil },
        { "$sdp(body)", "v=0\r\n" }, { "$sdp(sess_version)", nil },
        { "$br", nil }, { "$bR", nil }, { "$ds", nil }, { "$branch(count)", 0 }, { "$branch(uri)", nil },
        { "$xavp(x)", nil }, { "$xavp(x=>y)", nil }, { "$xavi(x)", nil }, { "$xavu(x)", nil },
        { "$xavu(x=>y=>z)", nil },
        { "$cnt($xavp(x))", 0 }, { "$cnt($xavi(x=>y))", 0 },
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

    it("of a reply know where it goes", function()
        local reply = fake.message {
            is_request = false, method = "INVITE", status = 200, reason = "OK",
            header_list = { { "Via", "SIP/2.0/UDP 127.0.0.20;branch=z9hG4bK2" },
                { "Via", "SIP/2.0/TCP host.example:5070;branch=z9hG4bK1;received=2001:db8::9;rport=5099" } },
        }
        assert.equal("sip:[2001:db8::9]:5099;transport=tcp", reply["$rpl(duri)"])
        assert.equal("[2001:db8::9]", reply["$rpl(dhost)"])
        assert.same({ 5099, "tcp", 2, 2 },
            { reply["$rpl(dport)"], reply["$rpl(dproto)"], reply["$rpl(dprotoid)"], reply["$rpl(cntvia)"] })
        assert.equal("sip:[2001:db8::9]:5099;transport=tcp", reply["$nh(u)"])
        assert.is_nil(reply["$nh(U)"])
        reply.header_list[2] = nil
        assert.is_nil(reply["$rpl(duri)"])
        assert.equal(1, reply["$rpl(cntvia)"])
    end)

    it("of a transaction see its reply, its branch and its dialog", function()
        local reply = fake.message { is_request = false, status = 486, reason = "Busy Here", is_local = true }
        local m = fake.invite {
            other_reply = reply, other_request = fake.invite { from_uri = "sip:other@h" }, branch_index = 2,
            branch_uri = "sip:b@h", branch_flags = 4, branch_host = "2001:db8::5", branch_port = 5065,
            send_socket = "udp:[2001:db8::1]:5060", direction_list = { "upstream", "caller", "callee" },
            connection_id = 7,
        }
        assert.same({ 486, "Busy Here", 486, 1, 2 },
            { m["$T_reply_code"], m["$T_reply_reason"], m["$T(reply_last)"], m["$T(reply_type)"], m["$T_branch_idx"] })
        assert.same({ "sip:other@h", 486, 9 }, { m["$T_req($fu)"], m["$T_rpl($rs)"], m["$T_rpl($(rr{s.len}))"] })
        assert.same({ "sip:b@h", 4 }, { m["$T_branch(uri)"], m["$T_branch(flags)"] })
        assert.same({ "2001:db8::5", 5065, 1, "udp", 10 },
            { m["$sndto(ip)"], m["$snd(port)"], m["$sndto(proto)"], m["$sndto(sproto)"], m["$sndto(af)"] })
        assert.same({ "2001:db8::1", 5060, "udp" }, { m["$sndfrom(ip)"], m["$sndfrom(port)"], m["$sndfrom(sproto)"] })
        assert.same({ 2, "upstream", "caller", "callee" },
            { m["$rdir(id)"], m["$rdir(name)"], m["$fti"], m["$tti"] })
        assert.equal(7, m["$conid"])
        assert.equal(3, fake.invite { branches_made = 3 }["$T_branch_idx"])
    end)

    it("give ids that differ", function()
        local m = fake.invite()
        assert.matches("^srid%-%x+%-%x+%-%x+$", m["$sruid"])
        assert.are_not.equal(m["$sruid"], m["$sruid"])
    end)

    it("take a dot for text where no such name exists", function()
        local format = require "lunasip.format"
        assert.equal("alice. alice.x", format.compile "$fU. $fU.x" (fake.invite()))
        assert.equal("alice", format.compile "$from.user" (fake.invite()))
        assert.equal("sip:alice@example.com.username", format.compile "$from.username" (fake.invite()))
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
            assert.equal("tcp", m["$dP"])
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

        it("set single flags", function()
            local m = fake.invite()
            m["$Mf(3)"], m["$Bf(0)"], m["$Sf(31)"] = 1, 5, "1"
            assert.same({ 8, 1, 2147483648 }, { m.flags, m.branch_flags, m.script_flags })
            m["$Mf(3)"] = 1
            assert.equal(1, m["$Mf(3)"])
            m["$Mf(3)"], m["$Bf(0)"] = 0, nil
            assert.same({ 0, 0 }, { m.flags, m.branch_flags })
            assert.has_error(function() m["$Mf(32)"] = 1 end)
            assert.has_error(function() m["$Mf(1)"] = "x" end)
        end)

        it("count the version of the SDP", function()
            local m = fake.invite { body = "v=0\r\no=- 1 9 IN IP4 h\r\ns=-\r\n" }
            assert.equal("9", m["$sdp(sess_version)"])
            m["$sdp(sess_version)"] = -1
            assert.equal("v=0\r\no=- 1 10 IN IP4 h\r\ns=-\r\n", m.body)
            m["$sdp(sess_version)"] = 77
            assert.equal("77", m["$sdp(sess_version)"])
            assert.has_error(function() m["$sdp(sess_version)"] = "x" end)
            assert.has_error(function() m["$sdp(body)"] = "x" end)
            assert.has_error(function() fake.invite()["$sdp(sess_version)"] = 1 end)
        end)

        it("add branches", function()
            local m = fake.invite()
            m["$br"] = "sip:x@1.2.3.4"
            m["$br"] = "sip:y@1.2.3.5"
            m["$(branch(q)[1])"] = 500
            assert.equal("sip:x@1.2.3.4", m["$br"])
            assert.equal("sip:x@1.2.3.4, <sip:y@1.2.3.5>;q=0.5", m["$bR"])
            assert.equal("Contact: <sip:x@1.2.3.4>, <sip:y@1.2.3.5>;q=0.5", m["$ds"])
            assert.same({ 2, "sip:x@1.2.3.4", "sip:y@1.2.3.5", 500 },
                { m["$branch(count)"], m["$branch(uri)"], m["$(branch(uri)[-1])"], m["$(branch(q)[1])"] })
            m["$(branch(dst_uri)[-1])"], m["$branch(uri)"] = "sip:9.9.9.9", "sip:z@1.2.3.4"
            assert.same({ "sip:9.9.9.9", "sip:z@1.2.3.4" }, { m["$(branch(dst_uri)[1])"], m["$br"] })
            m["$(branch(dst_uri)[1])"] = nil
            assert.is_nil(m["$(branch(dst_uri)[1])"])
            m["$(branch(uri)[0])"] = nil
            assert.equal("<sip:y@1.2.3.5>;q=0.5", m["$bR"])
            m["$branch(q)"] = 1000
            assert.equal("<sip:y@1.2.3.5>;q=1", m["$br"])
            for _, wrong in ipairs { { "$br", "%" }, { "$br", nil }, { "$branch(count)", 1 }, { "$branch(q)", "x" },
                { "$(branch(uri)[7])", "sip:a@b" }, { "$branch(uri)", "%" }, { "$branch(dst_uri)", "%" } } do
                assert.has_error(function() m[wrong[1]] = wrong[2] end)
            end
            for i = 2, 63 do m["$br"] = "sip:b" .. i .. "@h" end
            assert.has_error(function() m["$br"] = "sip:b64@h" end)
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

        it("$xavp is a stack of records with fields", function()
            local m = fake.invite()
            m["$xavp(a=>b)"], m["$var(i)"] = "1", 1
            m["$xavp(a=>c)"] = "2"
            m["$xavp(a[0]=>d)"] = "3"
            m["$xavp(a[$var(i)]=>e)"] = 4
            assert.is_nil(m["$xavp(a=>b)"])
            assert.same({ "2", "2", "3", "1", 4, "1" }, {
                m["$xavp(a=>c)"], m["$xavp(a[0]=>c)"], m["$xavp(a[0]=>d[0])"], m["$xavp(a[1]=>b)"],
                m["$xavp(a[1]=>e)"], m["$xavp(a[-1]=>b)"],
            })
            assert.is_nil(m["$xavp(a[2]=>b)"])
            assert.is_nil(m["$xavp(a)"]) -- a record of fields is no value
            assert.same({ 2, 1, 1, 1 }, {
                m["$cnt($xavp(a))"], m["$cnt($xavp(a=>b))"], m["$cnt($xavp(a[0]=>d))"], m["$cnt($xavp(a[*]=>b))"],
            })
            m["$xavp(a[0]=>d)"] = "again"
            assert.same({ "again", "3", 2 }, { m["$xavp(a[0]=>d)"], m["$xavp(a[0]=>d[1])"], m["$cnt($xavp(a[0]=>d))"] })
            m["$xavp(a[0]=>d[0])"] = "set"
            assert.same({ "set", 2 }, { m["$xavp(a=>d)"], m["$cnt($xavp(a[0]=>d))"] })
            m["$xavp(a[0]=>d)"] = nil
            assert.equal("3", m["$(xavp(a[0]=>d){s.int})"] and m["$xavp(a[0]=>d)"])
            m["$xavp(a[0])"] = nil
            assert.same({ 1, "1" }, { m["$cnt($xavp(a))"], m["$xavp(a=>b)"] })
            assert.has_error(function() m["$xavp(n[3]=>q)"] = "far" end)
            m["$xavp(n[3]=>q)"] = nil
        end)

        it("$xavp holds plain values, too", function()
            local m = fake.invite()
            m["$xavp(s)"] = "x"
            m["$xavp(s)"] = "y"
            assert.same({ "y", "x", "y", 2 },
                { m["$xavp(s)"], m["$xavp(s[1])"], m["$xavp(s[*])"], m["$cnt($xavp(s))"] })
            m["$xavp(s[0])"] = "z"
            assert.same({ "z", 2 }, { m["$xavp(s)"], m["$cnt($xavp(s))"] })
            m["$xavp(s)"] = nil
            assert.same({ "x", 1 }, { m["$xavp(s)"], m["$cnt($xavp(s))"] })
            m["$xavp(s[*])"] = nil
            assert.equal(0, m["$cnt($xavp(s))"])
            assert.is_nil(m["$avp(s)"])
        end)

        it("$xavi ignores the case of names, $xavu has one value per name", function()
            local m = fake.invite()
            m["$xavi(WhatEver=>FoO)"] = 123
            assert.equal(123, m["$xavi(whatever[0]=>foo)"])
            assert.is_nil(m["$xavp(whatever=>foo)"])
            m["$xavu(x)"] = 123
            m["$xavu(x)"], m["$xavu(a=>b)"], m["$xavu(a=>c)"] = 234, "xyz", "c"
            assert.same({ 234, "xyz", "c" }, { m["$xavu(x)"], m["$xavu(a=>b)"], m["$xavu(a=>c)"] })
            m["$xavu(a=>b=>c)"] = "deep"
            assert.equal("deep", m["$xavu(a=>b=>c)"])
            assert.is_nil(m["$xavu(a=>b)"])
            m["$xavu(x)"], m["$xavu(a=>b)"], m["$xavu(none=>x)"] = nil, nil, nil
            assert.same({ "c" }, { m["$xavu(a=>c)"], m["$xavu(x)"], m["$xavu(a=>b=>c)"] })
            m["$xavu(a)"] = nil
            assert.is_nil(m["$xavu(a=>c)"])
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
            ["$branch(path)"] = "uri, dst_uri, q or count",
            ["$sbranch(uri)"] = "req:fork",
            ["$err.class"] = "req:sanity_ok",
            ["$xavp(a[)"] = "'a%[' is not a name",
            ["$xavp(a=>b=>c)"] = "is not a name",
            ["$xavu(a[0])"] = "is not a name",
            ["$T(id_index)"] = "one of",
            ["$T_req(fu)"] = "takes a variable",
            ["$T_req($nope)"] = "unknown variable %$nope",
            ["$cnt($hdr(Via))"] = "%$cnt counts",
            ["$version(none)"] = "does not exist",
            ["$dlg(x)"] = "not available",
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
