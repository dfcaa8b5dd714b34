/* Peers behind a NAT: nat_uac_test()'s bits, Contacts and aliases. */
#include "sip/nat.h"

#include "sample.h"

#include <stdio.h>

static struct address address_of(const char *s)
{
    struct address address;
    assert_int_equal(address_parse(&address, text_of(s), 5060), 0);
    return address;
}

struct arrival {
    const char *via, *contact, *connection, *source;
    unsigned found;
};

static struct message *arrive(const struct arrival *arrival, const char *type)
{
    struct settings settings;
    struct message_fault fault;
    struct message *message;
    char bytes[2048], body[256];
    settings_default(&settings);
    int n = snprintf(body, sizeof body, "v=0\r\nc=IN %s\r\nt=0 0\r\n", arrival->connection);
    n = snprintf(
        bytes, sizeof bytes,
        "INVITE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK1\r\n"
        "From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: c\r\n"
        "CSeq: 1 INVITE\r\nContact: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
        arrival->via, arrival->contact, type, n, body);
    assert_int_equal(message_parse(&message, (struct text){bytes, (size_t)n}, &settings, &fault),
                     0);
    message->source.peer = address_of(arrival->source);
    return message;
}

static void tests_see_what_they_are_for(void **state)
{
    (void)state;
#define PUBLIC "192.0.2.1:5060", "<sip:a@192.0.2.1>", "IP4 192.0.2.1", "192.0.2.1:5060"
    static const struct arrival arrivals[] = {
        {PUBLIC, 0},
        {"192.0.2.1", "<sip:a@10.1.2.3>", "IP4 192.0.2.1", "192.0.2.1:5060", NAT_CONTACT_PRIVATE},
        {"192.0.2.9", "<sip:a@x.example>", "IP4 192.0.2.1", "192.0.2.1:5060", NAT_VIA_DIFFERS},
        {"x.example", "<tel:123>", "IP4 192.0.2.1", "192.0.2.1:5060", NAT_VIA_DIFFERS},
        {"172.31.255.255", "*", "IP4 192.0.2.1", "192.0.2.1:5060",
         NAT_VIA_DIFFERS | NAT_VIA_PRIVATE},
        {"192.0.2.1", "<sip:a@192.0.2.1>", "IP4 192.168.0.1/127", "192.0.2.1:5060",
         NAT_SDP_PRIVATE | NAT_SDP_DIFFERS},
        {"192.0.2.1", "<sip:a@192.0.2.1>", "IP4 192.0.2.7", "192.0.2.1:5060", NAT_SDP_DIFFERS},
        {"192.0.2.1", "<sip:a@192.0.2.1>", "IP4 0.0.0.0", "192.0.2.1:5060", 0},
        {"192.0.2.1", "<sip:a@192.0.2.1:4000>", "IP4 192.0.2.1", "192.0.2.1:4000",
         NAT_VIA_PORT_DIFFERS},
        {"192.0.2.1:4000", "<sips:a@192.0.2.1>", "IP4 192.0.2.1", "192.0.2.1:4000",
         NAT_CONTACT_PORT_DIFFERS},
        {"100.64.0.1", "<sip:a@100.127.255.255>", "IP4 100.64.0.1", "100.64.0.1:5060",
         NAT_SOURCE_PRIVATE | NAT_VIA_PRIVATE | NAT_CONTACT_PRIVATE | NAT_SDP_PRIVATE},
        {"[2001:db8::1]", "<sip:a@[2001:db8::1]>", "IP6 2001:db8::1", "[2001:db8::1]:5060", 0},
        {"[2001:db8::2]", "<sip:a@[2001:db8::1]>", "IP6 2001:db8::2", "[2001:db8::1]:5060",
         NAT_VIA_DIFFERS | NAT_SDP_DIFFERS},
    };
    for (size_t i = 0; i < sizeof arrivals / sizeof *arrivals; i++) {
        struct message *message = arrive(&arrivals[i], "application/sdp");
        unsigned found = nat_test(message, NAT_TEST_ALL, false);
        if (found != arrivals[i].found)
            fail_msg("%s %s from %s: %u, not %u", arrivals[i].via, arrivals[i].contact,
                     arrivals[i].source, found, arrivals[i].found);
        for (unsigned bit = 1; bit <= NAT_SDP_DIFFERS; bit *= 2)
            assert_int_equal(nat_test(message, bit, false), found & bit);
        assert_int_equal(nat_test(message, NAT_WEBSOCKET, true), NAT_WEBSOCKET);
        memory_release(message);
        message = arrive(&arrivals[i], "text/plain");
        assert_int_equal(nat_test(message, NAT_SDP_PRIVATE | NAT_SDP_DIFFERS, false), 0);
        memory_release(message);
    }
}

static void private_networks_have_edges(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool is_private;
    } hosts[] = {
        {"10.0.0.0", true},     {"10.255.255.255", true},  {"9.255.255.255", false},
        {"11.0.0.0", false},    {"172.16.0.0", true},      {"172.15.255.255", false},
        {"172.32.0.0", false},  {"192.168.255.255", true}, {"192.169.0.0", false},
        {"100.64.0.0", true},   {"100.63.255.255", false}, {"100.127.255.255", true},
        {"100.128.0.0", false}, {"[fd00::1]", false},
    };
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct address address = address_of(hosts[i].host);
        if (nat_is_private(&address) != hosts[i].is_private)
            fail_msg("%s", hosts[i].host);
    }
}

static void contacts_become_the_source_once(void **state)
{
    (void)state;
    static const struct {
        const char *value, *fixed;
    } contacts[] = {
        {"<sip:a@10.0.0.1>", "<sip:a@192.0.2.1:4000>"},
        {"sip:a@10.0.0.1:5070;expires=60", "sip:a@192.0.2.1:4000;expires=60"},
        {"\"A, B\" <sips:a:p@h.example:5070;transport=tls?X=y>;q=0.5 , <tel:12>,<sip:[::1]>",
         "\"A, B\" <sips:a:p@192.0.2.1:4000;transport=tls?X=y>;q=0.5 , <tel:12>,"
         "<sip:192.0.2.1:4000>"},
        {"<sip:a@10.0.0.1>;\r\n expires=1", "<sip:a@192.0.2.1:4000>;   expires=1"},
    };
    struct address source = address_of("192.0.2.1:4000");
    for (size_t i = 0; i < sizeof contacts / sizeof *contacts; i++) {
        struct buffer once = {0}, twice = {0};
        assert_int_equal(nat_print_contact(&once, text_of(contacts[i].value), &source), 0);
        assert_text(buffer_text(&once), contacts[i].fixed);
        assert_int_equal(nat_print_contact(&twice, buffer_text(&once), &source), 0);
        assert_text(buffer_text(&twice), contacts[i].fixed);
        buffer_release(&once);
        buffer_release(&twice);
    }
    struct buffer out = {0};
    assert_int_equal(nat_print_contact(&out, TEXT(" * "), &source), ERROR_NOT_FOUND);
    assert_int_equal(nat_print_contact(&out, TEXT("<sip:a@10.0.0.1"), &source), ERROR_SYNTAX);
    buffer_release(&out);
    source = address_of("[2001:db8::1]:4000");
    assert_int_equal(nat_print_contact(&out, TEXT("<sip:a@10.0.0.1>"), &source), 0);
    assert_text(buffer_text(&out), "<sip:a@[2001:db8::1]:4000>");
    buffer_release(&out);
}

static void aliases_come_off_as_they_went_on(void **state)
{
    (void)state;
    static const struct {
        const char *value, *with;
        unsigned proto;
    } contacts[] = {
        {"<sip:a@10.0.0.1>", "<sip:a@10.0.0.1;alias=192.0.2.1~4000~1>", 1},
        {"sip:a@10.0.0.1:5070;expires=60",
         "<sip:a@10.0.0.1:5070;alias=192.0.2.1~4000~1>;expires=60", 1},
        {"A <sip:h;transport=ws?X=y>;q=1", "A <sip:h;transport=ws;alias=192.0.2.1~4000~5?X=y>;q=1",
         5},
        {"<sip:h;alias=192.0.2.9~5060~1>", "<sip:h;alias=192.0.2.9~5060~1;alias=192.0.2.1~4000~1>",
         1},
        {"<sip:192.0.2.1:4000>", "<sip:192.0.2.1:4000>", 1},
        {"<sip:192.0.2.1:4000>", "<sip:192.0.2.1:4000;alias=192.0.2.1~4000~2>", 2},
        {"<sip:x>, sip:y;z", "<sip:x;alias=192.0.2.1~4000~1>, <sip:y;alias=192.0.2.1~4000~1>;z", 1},
    };
    struct address source = address_of("192.0.2.1:4000");
    for (size_t i = 0; i < sizeof contacts / sizeof *contacts; i++) {
        struct buffer once = {0}, twice = {0};
        assert_int_equal(
            nat_print_alias(&once, text_of(contacts[i].value), &source, contacts[i].proto), 0);
        assert_text(buffer_text(&once), contacts[i].with);
        assert_int_equal(nat_print_alias(&twice, buffer_text(&once), &source, contacts[i].proto),
                         0);
        assert_text(buffer_text(&twice), contacts[i].with);
        buffer_release(&once);
        buffer_release(&twice);
    }

    struct buffer out = {0};
    struct nat_alias alias;
    assert_int_equal(
        nat_take_alias(&out, TEXT("sip:a@h;alias=10.0.0.9~1~1;Alias=192.0.2.1~4000~2;lr?X=y"),
                       &alias),
        0);
    assert_text(buffer_text(&out), "sip:a@h;alias=10.0.0.9~1~1;lr?X=y");
    assert_true(address_equal(&alias.address, &source));
    assert_int_equal(alias.proto, 2);
    buffer_clear(&out);
    assert_int_equal(nat_take_alias(&out, TEXT("sip:a@h;alias=[2001:db8::1]~4000~1"), &alias), 0);
    assert_text(buffer_text(&out), "sip:a@h");
    buffer_release(&out);
}

static void bad_aliases_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "sip:h;alias=",
        "sip:h;alias=x~1~1",
        "sip:h;alias=192.0.2.1",
        "sip:h;alias=192.0.2.1~0~1",
        "sip:h;alias=192.0.2.1~65536~1",
        "sip:h;alias=192.0.2.1~1~0",
        "sip:h;alias=192.0.2.1~1~7",
        "sip:h;alias=192.0.2.1~1~",
        "sip:h;alias=192.0.2.1~1~1~1",
        "nonsense",
    };
    struct buffer out = {0};
    struct nat_alias alias;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (nat_take_alias(&out, text_of(bad[i]), &alias) != ERROR_SYNTAX)
            fail_msg("%s", bad[i]);
    assert_int_equal(nat_take_alias(&out, TEXT("sip:h;alias"), &alias), ERROR_NOT_FOUND);
    assert_int_equal(nat_take_alias(&out, TEXT("tel:123"), &alias), ERROR_NOT_FOUND);
    assert_int_equal(out.n, 0);
}

static void survives_without_memory(void **state)
{
    (void)state;
    struct address source = address_of("192.0.2.1:4000");
    struct buffer out = {0};
    struct nat_alias alias;
    memory_fail_after(0);
    assert_int_equal(nat_print_contact(&out, TEXT("<sip:a@h>"), &source), ERROR_MEMORY);
    buffer_clear(&out);
    assert_int_equal(nat_print_alias(&out, TEXT("<sip:a@h>"), &source, 1), ERROR_MEMORY);
    buffer_clear(&out);
    assert_int_equal(nat_take_alias(&out, TEXT("sip:h;alias=192.0.2.1~1~1"), &alias), ERROR_MEMORY);
    memory_fail_never();
    buffer_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tests_see_what_they_are_for),
        cmocka_unit_test(private_networks_have_edges),
        cmocka_unit_test(contacts_become_the_source_once),
        cmocka_unit_test(aliases_come_off_as_they_went_on),
        cmocka_unit_test(bad_aliases_are_refused),
        cmocka_unit_test(survives_without_memory),
    };
    return cmocka_run_group_tests_name("NAT", tests, NULL, NULL);
}
