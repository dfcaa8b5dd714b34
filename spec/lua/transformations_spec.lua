local fake = require "spec.lua.fake_core"
require "lunasip.runtime"

-- Value of $var(x), transformation, result. The examples are those of Kamailio's documentation.
local examples = {
    { "abc", "{s.len}", 3 },
    { "1234", "{s.int}", 1234 }, { "abc", "{s.int}", nil }, { "-5", "{s.int}", -5 }, { "+5", "{s.int}", 5 },
    { " 5", "{s.int}", nil }, { "", "{s.int}", 0 }, { "2147483648", "{s.int}", nil }, { "12ab", "{s.int}", nil },
    { "12ab", "{s.intv}", 12 }, { "ab", "{s.intv}", nil },
    { "abc", "{s.md5}", "900150983cd24fb0d6963f7d28e17f72" },
    { "abc", "{s.sha1}", "a9993e364706816aba3e25717850c26c9cd0d89d" },
    { "abc", "{s.sha256}", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "abcd", "{s.substr,1,0}", "bcd" }, { "abcd", "{s.substr,-2,1}", "c" }, { "abcd", "{s.substr,1}", "bcd" },
    { "abcd", "{s.substr,9,1}", nil }, { "abcd", "{s.substr,4,0}", nil }, { "abcd", "{s.substr,0,9}", "abcd" },
    { "12,34,56", "{s.select,1,,}", "34" }, { "12,34,56", "{s.select,-2,,}", "34" },
    { "12;34;56", "{s.select,2,;}", "56" }, { "12;34;56", "{s.select,3,;}", "" }, { "a b", "{s.select,1, }", "b" },
    { "a\tb", "{s.select,1,\\t}", "b" }, { "a b\tc", "{s.select,2,\\s}", "c" }, { "a\\b", "{s.select,1,\\\\}", "b" },
    { "a,b", "{s.select,$var(one),,}", "b" },
    { "12 34\t56", "{s.selectws,1}", "34" }, { "12 34\t56", "{s.selectws,2}", "56" },
    { "AZ\1", "{s.encode.hexa}", "415a01" }, { "415A01", "{s.decode.hexa}", "AZ\1" }, { "4", "{s.decode.hexa}", nil },
    { "M", "{s.encode.base64}", "TQ==" }, { "Ma", "{s.encode.base64}", "TWE=" },
    { "Man", "{s.encode.base64}", "TWFu" },
    { "M", "{s.encode.base64t}", "TQ" }, { "TQ==", "{s.decode.base64}", "M" }, { "TQ", "{s.decode.base64t}", "M" },
    { "\255\254", "{s.encode.base64url}", "__4=" }, { "\255\254", "{s.encode.base64urlt}", "__4" },
    { "TQ", "{s.decode.base64}", nil },
    { "__4", "{s.decode.base64urlt}", "\255\254" }, { "T*==", "{s.decode.base64}", nil },
    { "Hello World!", "{s.encode.base58}", "2NEpo7TZRRrLZSi2U" },
    { "2NEpo7TZRRrLZSi2U", "{s.decode.base58}", "Hello World!" }, { "0", "{s.decode.base58}", nil },
    { "\0\0a", "{s.encode.base58}{s.decode.base58}", "\0\0a" },
    { "hellohello", "{s.encode.7bit}", "E8329BFD4697D9EC37" }, { "x", "{s.decode.7bit}", nil },
    { "hellohello", "{s.encode.7bit}{s.decode.7bit}", "hellohello" },
    { "a'b\"c\\", "{s.escape.common}", "a\\'b\\\"c\\\\" }, { "a\\'b", "{s.unescape.common}", "a'b" },
    { "a b@c/", "{s.escape.user}", "a%20b%40c%2f" }, { "a%20b%40c", "{s.unescape.user}", "a b@c" },
    { "a;b", "{s.escape.param}", "a%3bb" }, { "a%3bb", "{s.unescape.param}", "a;b" },
    { "%zz", "{s.unescape.user}", nil },
    { 'foo,bar"baz', "{s.escape.csv}", '"foo,bar""baz"' },
    { "(040)1234/567-89", "{s.numeric}", "040123456789" },
    { "AbC", "{s.tolower}", "abc" }, { "AbC", "{s.toupper}", "ABC" },
    { "1234", "{s.strip,2}", "34" }, { "1234", "{s.striptail,1}", "123" }, { "12", "{s.striptail,5}", "" },
    { "12", "{s.strip,-1}", "12" }, { "12", "{s.strip,5}", "" }, { "12", "{s.striptail,-1}", "12" },
    { "123456", "{s.prefixes}", "1,12,123,1234,12345,123456" }, { "123456", "{s.prefixes,4}", "1,12,123,1234" },
    { "123", "{s.prefixes.quoted}", "'1','12','123'" }, { "1234", "{s.prefixes.quoted,2}", "'1','12'" },
    { "abababa", "{s.replace,a,c}", "cbcbcbc" }, { "a.b.c", "{s.replace,.,\\,}", "a,b,c" },
    { "abc", "{s.replace,$var(b),x}", "axc" },
    { "1000000000", "{s.ftime,%Y}", "2001" },
    { " a b \r\n", "{s.trim}", "a b" }, { " a ", "{s.ltrim}", "a " }, { " a ", "{s.rtrim}", " a" },
    { "a test b test", "{s.rm,test}", "a  b " }, { "a\r\n\tb", "{s.rmhdws}", "a b" }, { "a\r\n b", "{s.rmhlws}", "ab" },
    { " a\tb\r\n", "{s.rmws}", "ab" },
    { '"alice"', "{s.unquote}", "alice" }, { "'a'", "{s.unquote}", "a" }, { "a", "{s.unquote}", "a" },
    { "<sip:alice@test.sip>", "{s.unbracket}", "sip:alice@test.sip" }, { "(a)", "{s.unbracket}", "a" },
    { "abababa", "{s.count,a}", 4 }, { "a.b", "{s.count,.}", 1 },
    { "abcdef", "{s.after,c}", "def" }, { "abcdef", "{s.after,x}", "" }, { "abcdefcgh", "{s.rafter,c}", "gh" },
    { "abcdef", "{s.before,c}", "ab" }, { "abcdef", "{s.before,x}", "abcdef" },
    { "abcdefcgh", "{s.rbefore,c}", "abcdef" }, { "abcdefgh", "{s.fmtlines,4,2}", "abcd\r\n  efgh" },
    { "abcdefgh", "{s.fmtlinet,4,1}", "abcd\r\n\tefgh" }, { "abc", "{s.charat,1}", "b" },
    { "abc", "{s.charat,-1}", "c" }, { "A", "{s.byte}", 65 },
    { "a b&c", "{s.urlencode.param}", "a%20b%26c" }, { "a+b%26c", "{s.urldecode.param}", "a b&c" },

    { "sip:u:p@h:5070;a=b;lr?X=1", "{uri.user}", "u" }, { "sip:u:p@h:5070;a=b;lr?X=1", "{uri.passwd}", "p" },
    { "sip:u:p@h:5070;a=b;lr?X=1", "{uri.host}", "h" }, { "sip:u:p@h:5070;a=b;lr?X=1", "{uri.domain}", "h" },
    { "sip:u:p@h:5070;a=b;lr?X=1", "{uri.port}", 5070 }, { "sip:h", "{uri.port}", 0 },
    { "sip:u:p@h:5070;a=b;lr?X=1", "{uri.params}", "a=b;lr" }, { "sip:u@h;a=b;lr?X=1", "{uri.headers}", "X=1" },
    { "sip:u@h;a=b;lr", "{uri.param,a}", "b" }, { "sip:u@h;a=b;lr", "{uri.param,z}", "" },
    { "sip:u@h;a=b;lr;c=d", "{uri.rmparam,lr}", "sip:u@h;a=b;c=d" }, { "sip:u@h;a=b", "{uri.rmparam,a}", "sip:u@h" },
    { "sip:u@h;transport=TCP", "{uri.transport}", "TCP" }, { "sip:u@h;ttl=3", "{uri.ttl}", "3" },
    { "sip:u@h;user=phone", "{uri.uparam}", "phone" }, { "sip:u@h;maddr=1.2.3.4", "{uri.maddr}", "1.2.3.4" },
    { "sip:u@h;method=BYE", "{uri.method}", "BYE" }, { "sip:u@h;lr=on", "{uri.lr}", "on" },
    { "sip:u@h;r2=on", "{uri.r2}", "on" }, { "sips:u@h", "{uri.scheme}", "sips" },
    { "sip:test@127.0.0.1:5060;transport=udp", "{uri.tosocket}", "udp:127.0.0.1:5060" },
    { "sip:alice@server.com:5060;nat=yes;transport=tcp;line=xyz", "{uri.duri}", "sip:server.com:5060;transport=tcp" },
    { "sip:alice@server.com:5060;nat=yes;transport=tcp;line=xyz", "{uri.saor}", "sip:alice@server.com" },
    { "sip:alice@server.com:5060;nat=yes;transport=tcp;line=xyz", "{uri.suri}",
        "sip:alice@server.com:5060;transport=tcp" },
    { "no uri", "{uri.user}", nil }, { "sip:h", "{uri.user}", "" },

    { "a=1;b=2;c=3", "{param.value,c}", "3" }, { "a=1;b=2;c=3", "{param.value,z}", "" },
    { "this=is&the=querystring", "{param.value,the,&}", "querystring" }, { 'a="x;y";b=2', "{param.value,a}", "x;y" },
    { "a=1;b=2;c=3", "{param.in,c}", 1 }, { "a=1;b=2;c=3", "{param.in,d}", 0 },
    { "a=1;b=2;c=3", "{param.valueat,1}", "2" }, { "a=1;b=2;c=3", "{param.name,1}", "b" },
    { "a=1;b=2;c=3", "{param.count}", 3 }, { "a=1;b=22;c=333", "{param.value,$(var(x){param.name,1})}{s.len}", 2 },

    { '"test" <sip:test@kamailio.net>', "{nameaddr.name}", '"test"' },
    { '"test" <sip:test@kamailio.net>', "{nameaddr.name}{s.unquote}", "test" },
    { "<sip:a@b>, <sip:c@d>", "{nameaddr.uri}", "sip:a@b" }, { "<sip:a@b>", "{nameaddr.name}", "" },
    { "sip:a@b;tag=9", "{nameaddr.uri}", "sip:a@b;tag=9" }, { "sip:a@b;tag=9", "{nameaddr.len}", 13 },
    { '"test" <sip:test@kamailio.net>', "{nameaddr.uri}", "sip:test@kamailio.net" },
    { '"test" <sip:test@kamailio.net>;tag=1', "{nameaddr.len}", 30 },

    { '"A" <sip:a@h>;tag=9;x=y', "{tobody.uri}", "sip:a@h" }, { '"A" <sip:a@h>;tag=9;x=y', "{tobody.display}", '"A"' },
    { '"A" <sip:a@h>;tag=9;x=y', "{tobody.tag}", "9" }, { '"A" <sip:a@h>;tag=9;x=y', "{tobody.user}", "a" },
    { '"A" <sip:a@h>;tag=9;x=y', "{tobody.host}", "h" }, { '"A" <sip:a@h>;tag=9;x=y', "{tobody.params}", "tag=9;x=y" },

    { "a\r\nb\r\nc", "{line.count}", "3" }, { "a\r\nb\r\nc", "{line.at,1}", "b" }, { "a\nb\nc", "{line.at,-1}", "c" },
    { "a\nmytext 1\n", "{line.sw,mytext}", "mytext 1" }, { "a\n", "{line.sw,b}", "" }, { "a\n", "{line.at,9}", "" },

    { "udp:127.0.0.1:5060", "{sock.host}", "127.0.0.1" }, { "udp:[::1]:5060", "{sock.host}", "[::1]" },
    { "udp:127.0.0.1:5060", "{sock.port}", "5060" }, { "udp:127.0.0.1:5060", "{sock.proto}", "udp" },
    { "tcp:127.0.0.1:5060", "{sock.touri}", "sip:127.0.0.1:5060;transport=tcp" },
    { "sip:127.0.0.1:5060;transport=udp", "{urialias.encode}", "127.0.0.1~5060~1" },
    { "127.0.0.1~5060~1", "{urialias.decode}", "sip:127.0.0.1:5060" },
    { "127.0.0.1~5060~2", "{urialias.decode}", "sip:127.0.0.1:5060;transport=tcp" },

    { '"name" <sip:name@a.com>', "{val.json}", '\\"name\\" <sip:name@a.com>' },
    { '"name" <sip:name@a.com>', "{val.jsonqe}", '"\\"name\\" <sip:name@a.com>"' },
    { "INVITE", "{sql.val}", "'INVITE'" }, { "INVITE", "{sql.val.int}", "'INVITE'" }, { 5, "{sql.val}", "5" },
    { "a'b\"c\\d", "{sql.val.str}", "'a\\'b\\\"c\\\\d'" },

    { "/path/to/file/?this=is&the=q", "{url.path}", "/path/to/file/" }, { "/path", "{url.path}", "/path" },
    { "/path/to/file/?this=is&the=q", "{url.querystring}", "this=is&the=q" }, { "/path", "{url.querystring}", "" },

    { "msrps://u;p=1@[::1]:7654/s1;tcp;x=1", "{msrpuri.user}", "u" },
    { "msrps://u;p=1@[::1]:7654/s1;tcp;x=1", "{msrpuri.userinfo}", "u;p=1" },
    { "msrps://u;p=1@[::1]:7654/s1;tcp;x=1", "{msrpuri.host}", "[::1]" },
    { "msrps://u;p=1@[::1]:7654/s1;tcp;x=1", "{msrpuri.port}", "7654" },
    { "msrps://u;p=1@[::1]:7654/s1;tcp;x=1", "{msrpuri.session}", "s1" },
    { "msrps://u;p=1@[::1]:7654/s1;tcp;x=1", "{msrpuri.proto}", "tcp" },
    { "msrps://u;p=1@[::1]:7654/s1;tcp;x=1", "{msrpuri.params}", "x=1" },
    { "msrp://h.example/s1;tcp", "{msrpuri.user}", "" }, { "msrp://h.example/s1;tcp", "{msrpuri.port}", "" },
    { "msrp://h.example/s1;tcp", "{msrpuri.session}", "s1" }, { "msrp://h.example", "{msrpuri.host}", "h.example" },
    { "sip:u@h", "{msrpuri.host}", nil },

    { "a=1;b=2;A=3", "{param.value,a}", "3" }, { "tel:+491", "{uri.tosocket}", "" },
    { 5, "{val.jsonqe}", 5 }, { 1234, "{num.fdigit}", 1 }, { 1234, "{num.ldigit}", 4 }, { "1234", "{num.ldigit}", 0 },
}

describe("transformations", function()
    for _, example in ipairs(examples) do
        local text = "$(var(x)" .. example[2] .. ")"
        it(("%q%s"):format(tostring(example[1]), example[2]), function()
            local m = fake.invite()
            m["$var(x)"], m["$var(one)"], m["$var(b)"] = example[1], 1, "b"
            assert.equal(example[3], m[text])
        end)
    end

    it("chain, and take variables of the message", function()
        local m = fake.invite()
        assert.equal("ALICE", m["$(fu{uri.user}{s.toupper})"])
        assert.equal("sip", m["$(hdr(Diversion){nameaddr.uri}{s.before,:})"])
    end)

    it("make nothing of nothing, but for the val and sql families", function()
        local m = fake.invite()
        assert.equal("NULL", m["$(vn(none){sql.val})"])
        assert.equal("0", m["$(vn(none){sql.val.int})"])
        assert.equal("''", m["$(vn(none){sql.val.str})"])
        assert.is_nil(m["$(vn(none){s.len})"])
        assert.is_nil(m["$(vn(none){s.toupper}{s.len})"])
        assert.equal(0, m["$(vn(none){val.n0})"])
        assert.equal("", m["$(vn(none){val.ne})"])
        assert.equal("", m["$(vn(none){val.json})"])
        assert.equal('""', m["$(vn(none){val.jsonqe})"])
    end)

    it("hash as Kamailio's core does, as a text", function()
        local m = fake.invite()
        m["$var(x)"] = "a"
        -- 'a' is 97: h = 97 ^ 12 = 109; finish: h + (h>>11) + (h>>13) + (h>>23)
        assert.equal("109", m["$(var(x){s.corehash})"])
        assert.equal("13", m["$(var(x){s.corehash,16})"])
    end)
end)
