/* The server's side of digest authentication (RFC 3261 s22, RFC 7616 s3.3 to s3.5, RFC 8760). */
#include "auth/auth.h"

#include "../sip/sample.h"

#include <stdio.h>

#define REALM    TEXT("example.com")
#define START_MS 1700000000000u

/** A server, and what its next request meets. */
struct world {
    struct auth *auth;
    struct settings settings;
    struct counters counters;
    struct auth_scope scope;
    struct address source;
    struct buffer out; /* the last challenge's header lines */
    /* how the client answers */
    const char *password;
    uint32_t nc;
    bool is_proxy;
    unsigned qops;
    enum digest_algorithm algorithm;
};

static void open_server(struct world *world, uint64_t seed, struct text secret)
{
    struct random random;
    random_seed(&random, seed);
    *world = (struct world){.password = "secret", .nc = 1, .qops = DIGEST_QOP_AUTH};
    settings_default(&world->settings);
    assert_int_equal(address_parse(&world->source, TEXT("192.0.2.10:5060"), 0), 0);
    world->scope =
        (struct auth_scope){REALM, START_MS, &world->settings, &world->counters, &world->source};
    assert_int_equal(auth_create(&world->auth, secret, &random), 0);
}

static void close_server(struct world *world)
{
    buffer_release(&world->out);
    memory_release(world->auth);
}

static void challenge(struct world *world)
{
    struct auth_challenge what = {
        .is_proxy = world->is_proxy,
        .qops = world->qops,
        .algorithms = {world->algorithm},
        .algorithm_count = 1,
    };
    buffer_clear(&world->out);
    auth_print_challenge(world->auth, &world->scope, &what, &world->out);
    assert_int_equal(world->out.error, 0);
}

/** A REGISTER with header lines. */
static struct message *request_with(struct text lines)
{
    struct settings settings;
    struct message *message;
    struct message_fault fault;
    char bytes[4096];
    settings_default(&settings);
    int n = snprintf(bytes, sizeof bytes,
                     "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
                     "From: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nCall-ID: c\r\n"
                     "CSeq: 1 REGISTER\r\n%.*sContent-Length: 4\r\n\r\nbody",
                     TEXT_ARG(lines));
    assert_int_equal(message_parse(&message, (struct text){bytes, (size_t)n}, &settings, &fault),
                     0);
    return message;
}

/** The line that answers the last challenge. */
static struct text answer(struct world *world, struct arena *arena)
{
    struct digest digest;
    struct text value = buffer_text(&world->out);
    struct buffer line = {0};
    value.p = text_find(value, ':') + 1;
    value.n = (size_t)(world->out.p + world->out.n - 2 - value.p);
    assert_int_equal(digest_challenge_parse(&digest, arena, value), 0);
    assert_int_equal(
        digest_answer(&line, &digest,
                      &(struct digest_client){TEXT("alice"), text_of(world->password),
                                              TEXT("sip:example.com"), TEXT("c"), world->nc},
                      &(struct digest_request){TEXT("REGISTER"), TEXT("body")}),
        0);
    struct text out = arena_printf(arena, "%sAuthorization: %.*s\r\n",
                                   world->is_proxy ? "Proxy-" : "", TEXT_ARG(buffer_text(&line)));
    buffer_release(&line);
    return out;
}

static enum auth_verdict judge(struct world *world, struct message *message,
                               const struct auth_secret *secret)
{
    struct auth_credentials credentials;
    enum auth_verdict verdict =
        auth_find(world->auth, &world->scope, message, AUTH_ANY, &credentials);
    if (verdict == AUTH_GOOD)
        verdict = auth_verify(world->auth, &world->scope, message, &credentials, secret);
    auth_count(&world->scope, verdict);
    return verdict;
}

/** What the server says to the answer of the last challenge, alice's password being "secret". */
static enum auth_verdict verdict_of(struct world *world)
{
    struct arena arena = {0};
    struct message *message = request_with(answer(world, &arena));
    enum auth_verdict verdict = judge(world, message, &(struct auth_secret){TEXT("secret"), true});
    memory_release(message);
    arena_reset(&arena);
    return verdict;
}

static uint64_t counted(const struct world *world, enum counter counter)
{
    return counter_read(&world->counters, counter);
}

static void takes_right_answers(void **state)
{
    (void)state;
    struct world world;
    open_server(&world, 1, TEXT_NONE);
    for (int i = 0; i < DIGEST_ALGORITHM_COUNT; i++) {
        for (unsigned qops = 0; qops <= 3; qops++) {
            world.algorithm = (enum digest_algorithm)i;
            world.qops = qops;
            world.is_proxy = qops & 1;
            world.password = "secret";
            challenge(&world);
            assert_int_equal(verdict_of(&world), AUTH_GOOD);
            world.password = "other";
            challenge(&world);
            assert_int_equal(verdict_of(&world), AUTH_WRONG);
        }
    }
    assert_int_equal(counted(&world, COUNTER_AUTH_GOOD), DIGEST_ALGORITHM_COUNT * 4);
    assert_int_equal(counted(&world, COUNTER_AUTH_REFUSED), DIGEST_ALGORITHM_COUNT * 4);
    close_server(&world);
}

static void an_ha1_is_as_good_as_the_password(void **state)
{
    (void)state;
    struct world world;
    struct arena arena = {0};
    struct digest_hex ha1;
    open_server(&world, 1, TEXT_NONE);
    challenge(&world);
    struct message *message = request_with(answer(&world, &arena));
    assert_int_equal(digest_ha1(DIGEST_MD5, TEXT("alice"), REALM, TEXT("secret"), &ha1), 0);
    struct auth_secret secret = {digest_hex_text(&ha1), false};
    for (size_t i = 0; i < ha1.n; i++) /* as some databases have it */
        if (ha1.p[i] >= 'a')
            ha1.p[i] = (char)(ha1.p[i] - 32);
    assert_int_equal(judge(&world, message, &secret), AUTH_GOOD);
    secret.text.n = 31;
    assert_int_equal(judge(&world, message, &secret), AUTH_NO_HA1);
    /* Nobody of that name: whatever is answered is as wrong as a wrong password. */
    assert_int_equal(judge(&world, message, &(struct auth_secret){TEXT_NONE, false}), AUTH_WRONG);
    assert_int_equal(judge(&world, message, &(struct auth_secret){TEXT_NONE, true}), AUTH_WRONG);
    memory_release(message);
    arena_reset(&arena);
    close_server(&world);
}

static void counts_may_come_out_of_order_but_not_twice(void **state)
{
    (void)state;
    static const struct {
        uint32_t nc;
        enum auth_verdict verdict;
    } steps[] = {
        {5, AUTH_GOOD},      {5, AUTH_REPLAYED},      {3, AUTH_GOOD},
        {3, AUTH_REPLAYED},  {4, AUTH_GOOD},          {68, AUTH_GOOD},
        {5, AUTH_REPLAYED},  {4, AUTH_REPLAYED},      {6, AUTH_GOOD},
        {6, AUTH_REPLAYED},  {0x10000, AUTH_GOOD},    {67, AUTH_REPLAYED},
        {0xffff, AUTH_GOOD}, {0xffffffff, AUTH_GOOD}, {0xffffffff, AUTH_REPLAYED},
    };
    struct world world;
    open_server(&world, 1, TEXT_NONE);
    challenge(&world);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        world.nc = steps[i].nc;
        if (verdict_of(&world) != steps[i].verdict)
            fail_msg("nc %u in step %zu", steps[i].nc, i);
    }
    assert_int_equal(counted(&world, COUNTER_AUTH_REPLAYED), 7);
    close_server(&world);
}

static void nonces_grow_old(void **state)
{
    (void)state;
    struct world world;
    open_server(&world, 1, TEXT_NONE);
    world.settings.auth_nonce_s = 60;
    challenge(&world);
    world.scope.now_ms += 59999;
    assert_int_equal(verdict_of(&world), AUTH_GOOD);
    world.scope.now_ms += 1;
    world.nc++;
    assert_int_equal(verdict_of(&world), AUTH_STALE);
    world.password =
        "other"; /* only who knows the password is told that the nonce alone was wrong */
    assert_int_equal(verdict_of(&world), AUTH_WRONG);
    assert_int_equal(counted(&world, COUNTER_AUTH_STALE), 1);
    close_server(&world);
}

static void nonces_are_good_once_where_that_is_wanted(void **state)
{
    (void)state;
    struct world world;
    open_server(&world, 1, TEXT_NONE);
    world.settings.auth_one_time_nonce = 1;
    challenge(&world);
    assert_int_equal(verdict_of(&world), AUTH_GOOD);
    world.nc++;
    assert_int_equal(verdict_of(&world), AUTH_STALE);
    world.settings.auth_one_time_nonce = 0;
    world.qops = 0; /* no count could tell a replay */
    challenge(&world);
    assert_int_equal(verdict_of(&world), AUTH_GOOD);
    assert_int_equal(verdict_of(&world), AUTH_STALE);
    close_server(&world);
}

static void nonces_belong_to_server_realm_algorithm_and_source(void **state)
{
    (void)state;
    struct world a, b;
    open_server(&a, 1, TEXT_NONE);
    open_server(&b, 2, TEXT_NONE);
    challenge(&a);
    buffer_append(&b.out, buffer_text(&a.out));
    assert_int_equal(verdict_of(&b), AUTH_FOREIGN);

    struct arena arena = {0};
    struct text line = answer(&a, &arena);
    char *digits = (char *)text_search(line, TEXT("nonce=\"")) + 7;
    digits[3] = digits[3] == '0' ? '1' : '0'; /* made at another time */
    struct message *message = request_with(line);
    assert_int_equal(judge(&a, message, &(struct auth_secret){TEXT("secret"), true}), AUTH_FOREIGN);
    memory_release(message);

    message = request_with(answer(&a, &arena));
    a.scope.realm = TEXT("example.net");
    assert_int_equal(judge(&a, message, &(struct auth_secret){TEXT("secret"), true}), AUTH_NONE);
    a.scope.realm = REALM;
    memory_release(message);

    line = arena_printf(&arena, "%.*s, algorithm=SHA-256\r\n", (int)line.n - 2, line.p);
    char *algorithm = (char *)text_search(line, TEXT("algorithm=MD5"));
    memcpy(algorithm, "x-gorithm", 9);
    digits = (char *)text_search(line, TEXT("nonce=\"")) + 7;
    memcpy(digits, text_search(buffer_text(&a.out), TEXT("nonce=\"")) + 7, 60);
    message = request_with(line);
    assert_int_equal(judge(&a, message, &(struct auth_secret){TEXT("secret"), true}), AUTH_FOREIGN);
    memory_release(message);

    a.settings.auth_bind_source = 1;
    challenge(&a);
    a.nc = 1;
    assert_int_equal(verdict_of(&a), AUTH_GOOD);
    address_set_port(&a.source, 1); /* a NAT may give it another port */
    a.nc = 2;
    assert_int_equal(verdict_of(&a), AUTH_GOOD);
    assert_int_equal(address_parse(&a.source, TEXT("192.0.2.11:5060"), 0), 0);
    a.nc = 3;
    assert_int_equal(verdict_of(&a), AUTH_FOREIGN);
    arena_reset(&arena);
    close_server(&a);
    close_server(&b);
}

static void servers_with_one_secret_take_each_others_nonces(void **state)
{
    (void)state;
    struct world a, b;
    open_server(&a, 1, TEXT("a secret of sixteen"));
    open_server(&b, 2, TEXT("a secret of sixteen"));
    a.scope.now_ms += 2000; /* its clock is ahead */
    challenge(&a);
    buffer_append(&b.out, buffer_text(&a.out));
    assert_int_equal(verdict_of(&b), AUTH_GOOD);
    close_server(&a);
    close_server(&b);
}

static void remembers_so_many_nonces_and_no_replay_gets_by(void **state)
{
    (void)state;
    enum { TRIED = 200 };
    struct world world;
    struct arena arena = {0};
    struct message *messages[TRIED];
    unsigned stale = 0, replayed = 0;
    open_server(&world, 1, TEXT_NONE);
    world.settings.auth_nonces = 32;
    for (unsigned i = 0; i < TRIED; i++) {
        world.scope.now_ms++;
        challenge(&world);
        messages[i] = request_with(answer(&world, &arena));
        assert_int_equal(judge(&world, messages[i], &(struct auth_secret){TEXT("secret"), true}),
                         AUTH_GOOD);
    }
    assert_true(counted(&world, COUNTER_AUTH_NONCE_FORGOTTEN) >= TRIED - 32);
    for (unsigned i = 0; i < TRIED; i++) {
        enum auth_verdict verdict =
            judge(&world, messages[i], &(struct auth_secret){TEXT("secret"), true});
        assert_true(verdict == AUTH_STALE || verdict == AUTH_REPLAYED);
        stale += verdict == AUTH_STALE;
        replayed += verdict == AUTH_REPLAYED;
        memory_release(messages[i]);
    }
    assert_true(stale > 0 && replayed > 0 && replayed <= 32);
    arena_reset(&arena);
    close_server(&world);
}

static void finds_its_credentials_among_others(void **state)
{
    (void)state;
    struct world world;
    struct arena arena = {0};
    struct auth_credentials credentials;
    open_server(&world, 1, TEXT_NONE);
    challenge(&world);
    struct text own = answer(&world, &arena);
    struct text lines = arena_printf(
        &arena,
        "Proxy-Authorization: Basic eDp5\r\nAuthorization: Digest x\r\n"
        "Authorization: Digest username=\"u\", realm=\"other\", nonce=\"n\", uri=\"sip:x\","
        " response=\"0\"\r\nAuthorization: Digest username=\"u\", realm=\"example.com\","
        " nonce=\"n\", uri=\"sip:x\", response=\"0\"\r\n%.*s",
        TEXT_ARG(own));
    struct message *message = request_with(lines);
    assert_int_equal(judge(&world, message, &(struct auth_secret){TEXT("secret"), true}),
                     AUTH_GOOD);
    assert_int_equal(auth_find(world.auth, &world.scope, message, AUTH_PROXY, &credentials),
                     AUTH_NONE);
    assert_int_equal(auth_find(world.auth, &world.scope, message, AUTH_WWW, &credentials),
                     AUTH_GOOD);
    assert_text(credentials.digest.username, "alice");
    memory_release(message);

    static const struct {
        const char *line;
        enum auth_verdict verdict;
    } others[] = {
        {"", AUTH_NONE},
        {"Authorization: Digest x\r\n", AUTH_MALFORMED},
        {"Authorization: Digest username=\"0\", realm=\"example.com\", nonce=\"n\", uri=\"sip:x\","
         " response=\"0\", userhash=true\r\n",
         AUTH_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        message = request_with(text_of(others[i].line));
        assert_int_equal(auth_find(world.auth, &world.scope, message, AUTH_ANY, &credentials),
                         others[i].verdict);
        memory_release(message);
    }
    arena_reset(&arena);
    close_server(&world);
}

static void keeps_what_was_looked_up_for_a_while(void **state)
{
    (void)state;
    struct world world;
    struct arena arena = {0};
    struct auth_credentials credentials;
    struct auth_secret secret = {TEXT("secret"), true};
    struct digest_hex ha1, expected;
    open_server(&world, 1, TEXT_NONE);
    challenge(&world);
    struct message *message = request_with(answer(&world, &arena));
    assert_int_equal(auth_find(world.auth, &world.scope, message, AUTH_ANY, &credentials),
                     AUTH_GOOD);
    assert_int_equal(auth_recall(world.auth, &world.scope, &credentials, &ha1), ERROR_NOT_FOUND);
    auth_remember(world.auth, &world.scope, &credentials, &secret, 5000);
    world.scope.now_ms += 4999;
    assert_int_equal(auth_recall(world.auth, &world.scope, &credentials, &ha1), 0);
    assert_int_equal(digest_ha1(DIGEST_MD5, TEXT("alice"), REALM, TEXT("secret"), &expected), 0);
    assert_true(text_equal(digest_hex_text(&ha1), digest_hex_text(&expected)));
    credentials.digest.algorithm = DIGEST_SHA_256;
    assert_int_equal(auth_recall(world.auth, &world.scope, &credentials, &ha1), ERROR_NOT_FOUND);
    credentials.digest.algorithm = DIGEST_MD5_SESS;
    assert_int_equal(auth_recall(world.auth, &world.scope, &credentials, &ha1), 0);
    world.scope.now_ms += 1;
    assert_int_equal(auth_recall(world.auth, &world.scope, &credentials, &ha1), ERROR_NOT_FOUND);

    auth_remember(world.auth, &world.scope, &credentials, &secret, 5000);
    auth_forget(world.auth, TEXT("alice"), TEXT("example.net"));
    assert_int_equal(auth_recall(world.auth, &world.scope, &credentials, &ha1), 0);
    auth_forget(world.auth, TEXT("alice"), REALM);
    assert_int_equal(auth_recall(world.auth, &world.scope, &credentials, &ha1), ERROR_NOT_FOUND);

    world.settings.auth_credentials = 16;
    for (int i = 0; i < 100; i++) {
        credentials.digest.username = arena_printf(&arena, "u%d", i);
        auth_remember(world.auth, &world.scope, &credentials, &secret, 5000);
    }
    assert_true(counted(&world, COUNTER_AUTH_CREDENTIALS_FORGOTTEN) >= 84);
    memory_release(message);
    arena_reset(&arena);
    close_server(&world);
}

static void challenges_are_in_the_order_that_was_asked_for(void **state)
{
    (void)state;
    struct world world;
    open_server(&world, 1, TEXT_NONE);
    world.scope.realm = TEXT("a \"b\"");
    auth_print_challenge(world.auth, &world.scope,
                         &(struct auth_challenge){.is_stale = true,
                                                  .qops = DIGEST_QOP_AUTH | DIGEST_QOP_AUTH_INT,
                                                  .algorithms = {DIGEST_SHA_512_256, DIGEST_MD5},
                                                  .algorithm_count = 2},
                         &world.out);
    struct text out = buffer_text(&world.out), second;
    assert_true(
        text_starts_with(out, TEXT("WWW-Authenticate: Digest realm=\"a \\\"b\\\"\", nonce=\"")));
    assert_non_null(text_search(
        out, TEXT("\", algorithm=SHA-512-256, qop=\"auth,auth-int\", stale=true\r\nWWW-Auth")));
    second = out;
    text_split(&second, '\n');
    assert_non_null(
        text_search(second, TEXT("algorithm=MD5, qop=\"auth,auth-int\", stale=true\r\n")));
    close_server(&world);
}

static void survives_without_memory(void **state)
{
    (void)state;
    struct world world;
    struct random random;
    struct auth *auth;
    int error = ERROR_MEMORY;
    random_seed(&random, 1);
    for (uint64_t n = 0; error; n++) {
        memory_fail_after(n);
        error = auth_create(&auth, TEXT_NONE, &random);
        memory_fail_never();
        assert_true(error == 0 || error == ERROR_MEMORY);
    }
    memory_release(auth);

    open_server(&world, 1, TEXT_NONE);
    challenge(&world);
    struct arena arena = {0};
    struct message *message = request_with(answer(&world, &arena));
    enum auth_verdict verdict = AUTH_FAILED;
    for (uint64_t n = 0; verdict == AUTH_FAILED; n++) {
        memory_fail_after(n);
        verdict = judge(&world, message, &(struct auth_secret){TEXT("secret"), true});
        memory_fail_never();
    }
    assert_int_equal(verdict, AUTH_GOOD);
    buffer_release(&world.out);
    memory_fail_after(0);
    auth_print_challenge(world.auth, &world.scope, &(struct auth_challenge){.algorithm_count = 1},
                         &world.out);
    memory_fail_never();
    assert_int_equal(world.out.error, ERROR_MEMORY);
    memory_release(message);
    arena_reset(&arena);
    close_server(&world);
}

static int nothing_is_left(void **state)
{
    (void)state;
    assert_int_equal(memory_live(), 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_right_answers),
        cmocka_unit_test(an_ha1_is_as_good_as_the_password),
        cmocka_unit_test(counts_may_come_out_of_order_but_not_twice),
        cmocka_unit_test(nonces_grow_old),
        cmocka_unit_test(nonces_are_good_once_where_that_is_wanted),
        cmocka_unit_test(nonces_belong_to_server_realm_algorithm_and_source),
        cmocka_unit_test(servers_with_one_secret_take_each_others_nonces),
        cmocka_unit_test(remembers_so_many_nonces_and_no_replay_gets_by),
        cmocka_unit_test(finds_its_credentials_among_others),
        cmocka_unit_test(keeps_what_was_looked_up_for_a_while),
        cmocka_unit_test(challenges_are_in_the_order_that_was_asked_for),
        cmocka_unit_test(survives_without_memory),
    };
    return cmocka_run_group_tests_name("authentication (RFC 3261 s22)", tests, NULL,
                                       nothing_is_left);
}
