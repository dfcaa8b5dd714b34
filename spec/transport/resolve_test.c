/* Locating SIP servers: RFC 3263, RFC 2782, on the virtual name server. */
#include "net.h"

#include "transport/resolve.h"

struct fixture {
    struct net net;
    struct random random;
    struct resolver *resolver;
    uint64_t live;
    struct resolve_targets now;
    struct resolve_query *query;
    size_t answers;
    int error;
    struct resolve_targets later; /* what the handler got */
};

static void make_resolver(struct fixture *f, unsigned kinds, bool has_ipv6)
{
    f->resolver = memory_release(f->resolver);
    assert_int_equal(resolve_create(&f->resolver,
                                    &(struct resolve_options){
                                        .loop = f->net.loop,
                                        .random = &f->random,
                                        .settings = &f->net.settings,
                                        .counters = &f->net.counters,
                                        .kinds = kinds,
                                        .has_ipv4 = true,
                                        .has_ipv6 = has_ipv6,
                                    }),
                     0);
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){.live = memory_live()};
    net_begin(&f->net);
    random_seed(&f->random, 5);
}

static void end(struct fixture *f)
{
    f->resolver = memory_release(f->resolver);
    net_end(&f->net);
    assert_int_equal(memory_live(), f->live);
}

static int setup(void **state)
{
    static struct fixture fixture;
    begin(&fixture);
    make_resolver(&fixture, 0, false);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    end(*state);
    return 0;
}

/* ---- records ---- */

static void add_address(struct fixture *f, const char *name, const char *address, uint32_t ttl_s)
{
    struct resolve_record record = {.ttl_s = ttl_s, .address = net_address(address)};
    record.type = address_is_ipv6(&record.address) ? RESOLVE_AAAA : RESOLVE_A;
    assert_int_equal(lab_add_record(f->net.io, text_of(name), &record), 0);
}

static void add_srv(struct fixture *f, const char *name, uint16_t priority, uint16_t weight,
                    const char *target, uint16_t port)
{
    struct resolve_record record = {
        .type = RESOLVE_SRV, .ttl_s = 60, .priority = priority, .weight = weight, .port = port};
    snprintf(record.name, sizeof record.name, "%s", target);
    assert_int_equal(lab_add_record(f->net.io, text_of(name), &record), 0);
}

static void add_naptr(struct fixture *f, const char *name, uint16_t order, uint16_t preference,
                      const char *flags, const char *service, const char *target)
{
    struct resolve_record record = {
        .type = RESOLVE_NAPTR, .ttl_s = 60, .priority = order, .weight = preference};
    snprintf(record.name, sizeof record.name, "%s", target);
    snprintf(record.service, sizeof record.service, "%s", service);
    snprintf(record.flags, sizeof record.flags, "%s", flags);
    assert_int_equal(lab_add_record(f->net.io, text_of(name), &record), 0);
}

/* ---- asking ---- */

static void on_answer(void *arg, int error, const struct resolve_target *v, size_t count)
{
    struct fixture *f = arg;
    f->answers++;
    f->error = error;
    f->later.count = count;
    for (size_t i = 0; i < count; i++)
        f->later.v[i] = v[i];
}

static int ask(struct fixture *f, const char *text)
{
    struct uri uri;
    assert_int_equal(uri_parse(&uri, text_of(text)), 0);
    return resolve_uri(f->resolver, &uri, &f->now, on_answer, f, &f->query);
}

/* "10.0.0.1:5060/udp 10.0.0.2:5060/udp" */
static const char *print(const struct resolve_targets *targets)
{
    static char out[1024];
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < targets->count; i++) {
        char address[ADDRESS_TEXT_BYTES];
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s/%s", i ? " " : "",
                              TEXT_ARG(address_print(&targets->v[i].address, address)),
                              transport_kind_name((enum transport_kind)targets->v[i].transport));
    }
    return out;
}

/* Ask, wait, compare. */
static void expect(struct fixture *f, const char *uri, const char *targets)
{
    f->answers = 0;
    f->later.count = 0;
    int error = ask(f, uri);
    if (!error && !f->now.count) {
        assert_non_null(f->query);
        assert_int_equal(f->answers, 0);
        net_run(&f->net, 5000);
        assert_int_equal(f->answers, 1);
        error = f->error;
    } else {
        assert_null(f->query);
        f->later = f->now;
    }
    assert_int_equal(error, targets[0] ? 0 : ERROR_NOT_FOUND);
    assert_string_equal(print(&f->later), targets);
}

/* Exactly one target, known at once. */
static void expect_now(struct fixture *f, const char *uri, const char *target)
{
    assert_int_equal(ask(f, uri), 0);
    assert_string_equal(print(&f->now), target);
    assert_null(f->query);
}

/* ---- specs ---- */

static void answers_a_number_at_once_without_memory(void **state)
{
    struct fixture *f = *state;
    memory_fail_after(0);
    expect_now(f, "sip:a@192.0.2.1", "192.0.2.1:5060/udp");
    expect_now(f, "sip:a@192.0.2.1:5070;transport=UDP", "192.0.2.1:5070/udp");
    expect_now(f, "sip:a@[2001:db8::1]:5070", "[2001:db8::1]:5070/udp");
    expect_now(f, "sip:a@example.net:5080;maddr=192.0.2.7", "192.0.2.7:5080/udp");
    memory_fail_never();
    assert_int_equal(net_counter(&f->net, COUNTER_RESOLVE_QUERY), 0);
}

static void refuses_what_it_cannot_send(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, "tel:+4912345"), ERROR_ARGUMENT);
    assert_int_equal(ask(f, "sip:a@192.0.2.1;transport=tcp"), ERROR_UNSUPPORTED);
    assert_int_equal(ask(f, "sip:a@example.net;transport=sctp"), ERROR_UNSUPPORTED);
    assert_int_equal(ask(f, "sips:a@192.0.2.1"), ERROR_UNSUPPORTED);
    assert_int_equal(f->now.count, 0);
    make_resolver(
        f, 1u << TRANSPORT_UDP | 1u << TRANSPORT_TCP | 1u << TRANSPORT_TLS | 1u << TRANSPORT_WSS,
        false);
    expect_now(f, "sips:a@192.0.2.1", "192.0.2.1:5061/tls");
    expect_now(f, "sips:a@192.0.2.1;transport=tcp", "192.0.2.1:5061/tls");
    expect_now(f, "sips:a@192.0.2.1;transport=ws", "192.0.2.1:5061/wss");
    expect_now(f, "sip:a@192.0.2.1;transport=tcp", "192.0.2.1:5060/tcp");
}

/* RFC 3263 s4.2: with a port only addresses are asked for. */
static void asks_for_addresses_alone_when_there_is_a_port(void **state)
{
    struct fixture *f = *state;
    add_srv(f, "_sip._udp.gw.example.net", 1, 1, "other.example.net", 1111);
    add_address(f, "gw.example.net", "192.0.2.1", 60);
    add_address(f, "gw.example.net", "192.0.2.2", 60);
    expect(f, "sip:a@GW.example.net:5070", "192.0.2.1:5070/udp 192.0.2.2:5070/udp");
    assert_int_equal(net_counter(&f->net, COUNTER_RESOLVE_QUERY), 1);
}

static void asks_for_both_families_when_we_have_both(void **state)
{
    struct fixture *f = *state;
    add_address(f, "gw.example.net", "[2001:db8::7]", 60);
    add_address(f, "gw.example.net", "192.0.2.1", 60);
    expect(f, "sip:gw.example.net:5060", "192.0.2.1:5060/udp");
    make_resolver(f, 0, true);
    expect(f, "sip:gw.example.net:5060", "192.0.2.1:5060/udp [2001:db8::7]:5060/udp");
}

/* RFC 3263 s4.1 */
static void follows_naptr_then_srv_then_addresses(void **state)
{
    struct fixture *f = *state;
    add_naptr(f, "example.net", 20, 10, "s", "SIP+D2U", "_sip._udp.second.example.net");
    add_naptr(f, "example.net", 10, 50, "s", "SIP+D2T", "_sip._tcp.example.net");
    add_naptr(f, "example.net", 10, 60, "S", "sip+d2u", "_sip._udp.first.example.net");
    add_naptr(f, "example.net", 5, 5, "u", "E2U+sip", "x.example.net");
    add_srv(f, "_sip._udp.first.example.net", 1, 0, "a.example.net", 5071);
    add_srv(f, "_sip._udp.second.example.net", 1, 0, "b.example.net", 5072);
    add_srv(f, "_sip._tcp.example.net", 1, 0, "c.example.net", 5073);
    add_address(f, "a.example.net", "192.0.2.1", 60);
    add_address(f, "b.example.net", "192.0.2.2", 60);
    add_address(f, "c.example.net", "192.0.2.3", 60);
    expect(f, "sip:a@example.net", "192.0.2.1:5071/udp 192.0.2.2:5072/udp");
    make_resolver(f, 1u << TRANSPORT_UDP | 1u << TRANSPORT_TCP, false);
    expect(f, "sip:a@example.net", "192.0.2.3:5073/tcp 192.0.2.1:5071/udp 192.0.2.2:5072/udp");
    expect(f, "sip:a@example.net;transport=tcp", "192.0.2.3:5073/tcp"); /* no NAPTR asked for */
}

static void follows_a_naptr_to_addresses(void **state)
{
    struct fixture *f = *state;
    add_naptr(f, "example.net", 1, 1, "a", "SIP+D2U", "host.example.net");
    add_address(f, "host.example.net", "192.0.2.1", 60);
    expect(f, "sip:example.net", "192.0.2.1:5060/udp");
}

static void falls_back_to_srv_and_then_to_addresses(void **state)
{
    struct fixture *f = *state;
    add_srv(f, "_sip._udp.example.net", 1, 0, "a.example.net", 5071);
    add_address(f, "a.example.net", "192.0.2.1", 60);
    add_address(f, "plain.example.net", "192.0.2.5", 60);
    expect(f, "sip:example.net", "192.0.2.1:5071/udp");
    expect(f, "sip:plain.example.net", "192.0.2.5:5060/udp");
    expect(f, "sip:nowhere.example.net", "");
    expect(f, "sip:nowhere.example.net", "");
}

/* RFC 2782: a target of "." says that the service is decidedly not there. */
static void believes_a_domain_that_has_no_sip(void **state)
{
    struct fixture *f = *state;
    add_srv(f, "_sip._udp.example.net", 0, 0, ".", 0);
    add_address(f, "example.net", "192.0.2.1", 60);
    expect(f, "sip:example.net", "");
}

static void prefers_secure_services_for_sips(void **state)
{
    struct fixture *f = *state;
    make_resolver(f, 1u << TRANSPORT_UDP | 1u << TRANSPORT_TLS, false);
    add_naptr(f, "example.net", 1, 1, "s", "SIP+D2U", "_sip._udp.example.net");
    add_srv(f, "_sip._udp.example.net", 1, 0, "a.example.net", 5071);
    add_srv(f, "_sips._tcp.example.net", 1, 0, "a.example.net", 5072);
    add_address(f, "a.example.net", "192.0.2.1", 60);
    expect(f, "sips:example.net", "192.0.2.1:5072/tls");
}

/* RFC 2782 */
static void orders_by_priority_and_draws_by_weight(void **state)
{
    struct fixture *f = *state;
    size_t first[3] = {0};
    add_srv(f, "_sip._udp.example.net", 20, 0, "last.example.net", 5060);
    add_srv(f, "_sip._udp.example.net", 10, 0, "never.example.net", 5060);
    add_srv(f, "_sip._udp.example.net", 10, 10, "small.example.net", 5060);
    add_srv(f, "_sip._udp.example.net", 10, 30, "large.example.net", 5060);
    add_address(f, "last.example.net", "192.0.2.9", 3600);
    add_address(f, "never.example.net", "192.0.2.1", 3600);
    add_address(f, "small.example.net", "192.0.2.2", 3600);
    add_address(f, "large.example.net", "192.0.2.3", 3600);
    ask(f, "sip:example.net");
    net_run(&f->net, 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(ask(f, "sip:example.net"), 0);
        assert_int_equal(f->now.count, 4);
        unsigned last = ((const unsigned char *)&f->now.v[0].address.in.sin_addr)[3];
        assert_in_range(last, 1, 3);
        first[last - 1]++;
        assert_int_equal(((const unsigned char *)&f->now.v[3].address.in.sin_addr)[3], 9);
    }
    assert_in_range(first[0], 5, 60);    /* weight 0: a very small chance */
    assert_in_range(first[1], 190, 310); /* a quarter */
    assert_in_range(first[2], 660, 800);
}

static void remembers_answers_for_their_time_to_live(void **state)
{
    struct fixture *f = *state;
    add_address(f, "gw.example.net", "192.0.2.1", 10);
    expect(f, "sip:gw.example.net:5060", "192.0.2.1:5060/udp"); /* takes 5 s of it */
    expect_now(f, "sip:gw.example.net:5060", "192.0.2.1:5060/udp");
    net_run(&f->net, 4999);
    expect_now(f, "sip:gw.example.net:5060", "192.0.2.1:5060/udp");
    assert_int_equal(net_counter(&f->net, COUNTER_RESOLVE_QUERY), 1);
    net_run(&f->net, 1);
    expect(f, "sip:gw.example.net:5060", "192.0.2.1:5060/udp");
    assert_int_equal(net_counter(&f->net, COUNTER_RESOLVE_QUERY), 2);
}

static void uses_an_answer_that_must_not_be_remembered_once(void **state)
{
    struct fixture *f = *state;
    add_srv(f, "_sip._udp.example.net", 1, 0, "a.example.net", 5071);
    add_address(f, "a.example.net", "192.0.2.1", 0);
    expect(f, "sip:example.net;transport=udp", "192.0.2.1:5071/udp");
    assert_int_equal(ask(f, "sip:example.net;transport=udp"), 0);
    assert_int_equal(f->now.count, 0);
}

static void remembers_failures(void **state)
{
    struct fixture *f = *state;
    expect(f, "sip:none.example.net:5060", ""); /* takes 5 s of the 10 */
    assert_int_equal(ask(f, "sip:none.example.net:5060"), ERROR_NOT_FOUND);
    assert_int_equal(net_counter(&f->net, COUNTER_RESOLVE_FAILED), 1);
    net_run(&f->net, 5000);
    assert_int_equal(ask(f, "sip:none.example.net:5060"), 0);
    assert_int_equal(net_counter(&f->net, COUNTER_RESOLVE_QUERY), 2);
}

static void tells_a_timeout_from_a_name_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    add_address(f, "slow.example.net", "192.0.2.1", 60);
    lab_set_resolve_delay(f->net.io, 3000);
    assert_int_equal(ask(f, "sip:slow.example.net:5060"), 0);
    net_run(&f->net, 5000);
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->error, ERROR_TIMEOUT);
}

static void asks_once_for_those_who_wait_together(void **state)
{
    struct fixture *f = *state;
    add_address(f, "gw.example.net", "192.0.2.1", 60);
    lab_set_resolve_delay(f->net.io, 100);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(f, "sip:gw.example.net:5060"), 0);
    net_run(&f->net, 50);
    assert_int_equal(ask(f, "sip:GW.example.net.:5061"), 0);
    resolve_cancel(f->query);
    net_run(&f->net, 100);
    assert_int_equal(f->answers, 3);
    assert_int_equal(net_counter(&f->net, COUNTER_RESOLVE_QUERY), 1);
    assert_int_equal(resolve_count(f->resolver), 1);
}

static struct fixture *cancelling;

static void on_answer_cancel(void *arg, int error, const struct resolve_target *v, size_t count)
{
    on_answer(arg, error, v, count);
    resolve_cancel(cancelling->query);
}

static void lets_a_handler_cancel_another_question(void **state)
{
    struct fixture *f = *state;
    struct uri uri;
    cancelling = f;
    add_address(f, "gw.example.net", "192.0.2.1", 60);
    assert_int_equal(uri_parse(&uri, TEXT("sip:gw.example.net:5060")), 0);
    assert_int_equal(resolve_uri(f->resolver, &uri, &f->now, on_answer_cancel, f, NULL), 0);
    assert_int_equal(ask(f, "sip:gw.example.net:5060"), 0);
    net_run(&f->net, 100);
    assert_int_equal(f->answers, 1);
    resolve_cancel(NULL);
}

static void is_released_with_questions_open(void **state)
{
    struct fixture *f = *state;
    lab_set_resolve_delay(f->net.io, 1000);
    assert_int_equal(ask(f, "sip:gw.example.net"), 0);
    net_run(&f->net, 10);
}

static void forgets_the_oldest_name_when_full_and_refuses_when_all_are_asked(void **state)
{
    struct fixture *f = *state;
    f->net.settings.resolve_cache = 16;
    char uri[64];
    for (int i = 0; i < 40; i++) {
        snprintf(uri, sizeof uri, "sip:n%d.example.net:5060", i);
        assert_int_equal(ask(f, uri), 0);
        net_run(&f->net, 1);
    }
    assert_int_equal(resolve_count(f->resolver), 16);
    assert_int_equal(net_counter(&f->net, COUNTER_RESOLVE_CACHE_FULL), 24);
    lab_set_resolve_delay(f->net.io, 1000);
    for (int i = 100; i < 116; i++) {
        snprintf(uri, sizeof uri, "sip:n%d.example.net:5060", i);
        assert_int_equal(ask(f, uri), 0);
    }
    assert_int_equal(ask(f, "sip:one-more.example.net:5060"), ERROR_LIMIT);
    assert_int_equal(resolve_count(f->resolver), 16);
}

static void bounds_what_an_answer_can_make_it_ask(void **state)
{
    struct fixture *f = *state;
    char name[64];
    for (int i = 0; i < 32; i++) {
        snprintf(name, sizeof name, "h%d.example.net", i);
        add_srv(f, "_sip._udp.example.net", 1, 0, name, 5060);
        add_address(f, name, "192.0.2.1", 60);
        add_address(f, name, "[2001:db8::1]", 60);
    }
    make_resolver(f, 0, true);
    assert_int_equal(ask(f, "sip:example.net;transport=udp"), 0);
    net_run(&f->net, 1000);
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->later.count, RESOLVE_TARGETS_MAX);
    assert_in_range(net_counter(&f->net, COUNTER_RESOLVE_QUERY), 30, 48);
    char uri[400] = "sip:";
    memset(uri + 4, 'x', 300);
    assert_int_equal(ask(f, uri), ERROR_ARGUMENT);
}

static void survives_each_allocation_that_fails(void **state)
{
    (void)state;
    unsigned clean = 0;
    for (uint64_t n = 0; clean < 3; n++) {
        struct fixture f;
        begin(&f);
        add_srv(&f, "_sip._udp.example.net", 1, 0, "a.example.net", 5071);
        add_address(&f, "a.example.net", "192.0.2.1", 60);
        memory_fail_after(n);
        int error = resolve_create(&f.resolver, &(struct resolve_options){
                                                    .loop = f.net.loop,
                                                    .random = &f.random,
                                                    .settings = &f.net.settings,
                                                    .counters = &f.net.counters,
                                                });
        if (!error)
            error = ask(&f, "sip:example.net");
        if (!error) {
            net_run(&f.net, 1000);
            assert_int_equal(f.answers, 1);
            clean += f.error == 0 && f.later.count == 1;
        }
        memory_fail_never();
        end(&f);
    }
}

int main(void)
{
#define LAB(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LAB(answers_a_number_at_once_without_memory),
        LAB(refuses_what_it_cannot_send),
        LAB(asks_for_addresses_alone_when_there_is_a_port),
        LAB(asks_for_both_families_when_we_have_both),
        LAB(follows_naptr_then_srv_then_addresses),
        LAB(follows_a_naptr_to_addresses),
        LAB(falls_back_to_srv_and_then_to_addresses),
        LAB(believes_a_domain_that_has_no_sip),
        LAB(prefers_secure_services_for_sips),
        LAB(orders_by_priority_and_draws_by_weight),
        LAB(remembers_answers_for_their_time_to_live),
        LAB(uses_an_answer_that_must_not_be_remembered_once),
        LAB(remembers_failures),
        LAB(tells_a_timeout_from_a_name_that_is_not_there),
        LAB(asks_once_for_those_who_wait_together),
        LAB(lets_a_handler_cancel_another_question),
        LAB(is_released_with_questions_open),
        LAB(forgets_the_oldest_name_when_full_and_refuses_when_all_are_asked),
        LAB(bounds_what_an_answer_can_make_it_ask),
        cmocka_unit_test(survives_each_allocation_that_fails),
    };
    return cmocka_run_group_tests_name("locating SIP servers (RFC 3263)", tests, NULL, NULL);
}
