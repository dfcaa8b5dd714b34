/* Digest authentication (RFC 7616 s3, RFC 8760): parameters and sums. */
#include "sip/digest.h"

#include "sample.h"

static struct digest_hex response_of(const struct digest *digest, const char *user,
                                     const char *password, const struct digest_request *request)
{
    struct digest_hex ha1, response;
    assert_int_equal(
        digest_ha1(digest->algorithm, text_of(user), digest->realm, text_of(password), &ha1), 0);
    assert_int_equal(digest_response(digest, digest_hex_text(&ha1), request, &response), 0);
    return response;
}

/** Credentials, their user's password, and a request that they are for. */
static void check_vector(const char *credentials, const char *user, const char *password,
                         const char *method, const char *body)
{
    struct arena arena = {0};
    struct digest digest;
    struct digest_request request = {text_of(method), text_of(body)};
    assert_int_equal(digest_credentials_parse(&digest, &arena, text_of(credentials)), 0);
    struct digest_hex response = response_of(&digest, user, password, &request);
    assert_int_equal(response.n, digest_algorithm_digits(digest.algorithm));
    assert_text(digest_hex_text(&response),
                arena_printf(&arena, "%.*s", TEXT_ARG(digest.response)).p);
    assert_true(digest_is_equal(&digest, &response));
    response = response_of(&digest, user, "other", &request);
    assert_false(digest_is_equal(&digest, &response));
    arena_reset(&arena);
}

#define MUFASA(algorithm, response)                                                                \
    "Digest username=\"Mufasa\",\r\n realm=\"http-auth@example.org\",\r\n"                         \
    " uri=\"/dir/index.html\", algorithm=" algorithm ",\r\n"                                       \
    " nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\",\r\n nc=00000001,"                    \
    " cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth,\r\n"                      \
    " response=\"" response "\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""

static void vectors_of_the_rfcs(void **state)
{
    (void)state;
    /* RFC 2069 s2.4 with the erratum's response */
    check_vector("Digest username=\"Mufasa\", realm=\"testrealm@host.com\","
                 " nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\","
                 " response=\"1949323746fe6a43ef61f9606e7febea\","
                 " opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
                 "Mufasa", "CircleOfLife", "GET", "");
    /* RFC 2617 s3.5 */
    check_vector("Digest username=\"Mufasa\", realm=\"testrealm@host.com\","
                 " nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\","
                 " qop=auth, nc=00000001, cnonce=\"0a4f113b\","
                 " response=\"6629fae49393a05397450978507c4ef1\"",
                 "Mufasa", "Circle Of Life", "GET", "");
    /* RFC 7616 s3.9.1 */
    check_vector(MUFASA("MD5", "8ca523f5e9506fed4657c9700eebdbec"), "Mufasa", "Circle of Life",
                 "GET", "");
    check_vector(
        MUFASA("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        "Mufasa", "Circle of Life", "GET", "");
    /* RFC 7616 s3.9.2 with the values of erratum 4897, the name not hashed */
    check_vector("Digest username=\"J\xc3\xa4s\xc3\xb8n Doe\", realm=\"api@example.org\","
                 " uri=\"/doe.json\", algorithm=SHA-512-256,"
                 " nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", nc=00000001,"
                 " cnonce=\"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v\", qop=auth, response="
                 "\"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5\"",
                 "J\xc3\xa4s\xc3\xb8n Doe", "Secret, or not?", "GET", "");
}

/* Sums of another implementation (Python's hashlib). */
static void sessions_and_bodies(void **state)
{
    (void)state;
    static const char *const credentials[] = {
        "Digest username=\"bob\", realm=\"biloxi.com\", nonce=\"dcd98b71\", "
        "uri=\"sip:bob@biloxi.com\","
        " qop=auth-int, nc=0000000a, cnonce=\"0a4f113b\", algorithm=MD5, "
        "response=\"41adc28cda198ea6ec10060738022fd1\"",
        "Digest username=\"bob\", realm=\"biloxi.com\", nonce=\"dcd98b71\", "
        "uri=\"sip:bob@biloxi.com\","
        " qop=auth, nc=0000000a, cnonce=\"0a4f113b\", algorithm=md5-SESS, "
        "response=\"6f49242af3355e7f69fc8d3fbeeeb38e\"",
        "Digest username=\"bob\", realm=\"biloxi.com\", nonce=\"dcd98b71\", "
        "uri=\"sip:bob@biloxi.com\","
        " qop=auth-int, nc=0000000a, cnonce=\"0a4f113b\", algorithm=SHA-256-sess,"
        " response=\"a9f27dd2e9bd6434aee53b09711e2117802415387a598ac41ce936375c90d0cb\"",
    };
    for (size_t i = 0; i < sizeof credentials / sizeof *credentials; i++)
        check_vector(credentials[i], "bob", "zanzibar", "INVITE", "v=0\r\n");
}

static void parses_every_form(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct digest digest;
    assert_int_equal(
        digest_credentials_parse(
            &digest, &arena,
            TEXT(" digest\tUserName = \"a\\\"b\\\\c\" ,\r\n realm=\"\", nonce=n/1+2==,"
                 "uri=sip:x;y=z, response=\"AB\",qop=\"auth\",cnonce=\"c,d\", NC=0000FFfe,"
                 " algorithm=\"MD5\", auth-param=\"x\"")),
        0);
    assert_text(digest.username, "a\"b\\c");
    assert_text(digest.realm, "");
    assert_text(digest.nonce, "n/1+2==");
    assert_text(digest.uri, "sip:x;y=z");
    assert_text(digest.cnonce, "c,d");
    assert_int_equal(digest.qops, DIGEST_QOP_AUTH);
    assert_int_equal(digest.nc, 0xfffe);
    assert_false(text_is_set(digest.opaque));

    assert_int_equal(digest_challenge_parse(&digest, &arena,
                                            TEXT("Digest realm=\"r\", nonce=\"n\", stale=TRUE,"
                                                 " qop=\"token, auth-int ,auth\", userhash=true,"
                                                 " algorithm=SHA-512-256")),
                     0);
    assert_true(digest.is_stale);
    assert_int_equal(digest.qops, DIGEST_QOP_AUTH | DIGEST_QOP_AUTH_INT);
    assert_int_equal(digest.algorithm, DIGEST_SHA_512_256);
    arena_reset(&arena);
}

#define GOOD "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"0\""

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int error;
    } bad[] = {
        {"", ERROR_SYNTAX},
        {"Digest", ERROR_SYNTAX},
        {"Digest ", ERROR_SYNTAX},
        {"Digestusername=\"u\"", ERROR_UNSUPPORTED},
        {"Basic dTpw", ERROR_UNSUPPORTED},
        {"Digest username=\"u", ERROR_SYNTAX},
        {"Digest username=\"u\\", ERROR_SYNTAX},
        {"Digest username", ERROR_SYNTAX},
        {"Digest =x", ERROR_SYNTAX},
        {"Digest username=,realm=\"r\"", ERROR_SYNTAX},
        {"Digest username=\"u\" realm=\"r\"", ERROR_SYNTAX},
        {"Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:x\"", ERROR_SYNTAX},
        {GOOD ",", ERROR_SYNTAX},
        {GOOD ", username=\"v\"", ERROR_SYNTAX},
        {GOOD ", algorithm=MD5, algorithm=MD5", ERROR_SYNTAX},
        {GOOD ", algorithm=MD4", ERROR_UNSUPPORTED},
        {GOOD ", qop=auth-conf", ERROR_UNSUPPORTED},
        {GOOD ", qop=\"auth,auth-int\", cnonce=\"c\", nc=00000001", ERROR_SYNTAX},
        {GOOD ", qop=auth, nc=00000001", ERROR_SYNTAX},
        {GOOD ", qop=auth, cnonce=\"c\"", ERROR_SYNTAX},
        {GOOD ", qop=auth, cnonce=\"c\", nc=1", ERROR_SYNTAX},
        {GOOD ", qop=auth, cnonce=\"c\", nc=0000000g", ERROR_SYNTAX},
        {GOOD ", algorithm=MD5-sess", ERROR_SYNTAX},
        {GOOD ", userhash=true", ERROR_UNSUPPORTED},
        {GOOD ", username*=UTF-8''u", ERROR_UNSUPPORTED},
        {GOOD ", opaque=\"a\r\n b\"", ERROR_SYNTAX},
    };
    struct arena arena = {0};
    struct digest digest;
    assert_int_equal(digest_credentials_parse(&digest, &arena, TEXT(GOOD)), 0);
    assert_int_equal(digest_credentials_parse(&digest, &arena, TEXT_NONE), ERROR_SYNTAX);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (digest_credentials_parse(&digest, &arena, text_of(bad[i].value)) != bad[i].error)
            fail_msg("%s", bad[i].value);
    assert_int_equal(digest_challenge_parse(&digest, &arena, TEXT("Digest realm=\"r\"")),
                     ERROR_SYNTAX);
    assert_int_equal(digest_challenge_parse(&digest, &arena, TEXT("Digest nonce=\"n\"")),
                     ERROR_SYNTAX);
    arena_reset(&arena);
}

/* What a client prints, a server takes; quotes and backslashes included. */
static void answers_challenges(void **state)
{
    (void)state;
    static const char *const qops[] = {"", ", qop=\"auth\"", ", qop=\"auth-int\"",
                                       ", qop=\"auth-int,auth\""};
    struct digest_request request = {TEXT("REGISTER"), TEXT("body")};
    struct digest_client client = {
        .username = TEXT("o\"h\\a"),
        .password = TEXT("secret"),
        .uri = TEXT("sip:example.com"),
        .cnonce = TEXT("0a4f"),
        .nc = 0xabc,
    };
    for (int i = 0; i < DIGEST_ALGORITHM_COUNT * 4; i++) {
        struct arena arena = {0};
        struct buffer out = {0};
        struct digest challenge, own;
        struct text text = arena_printf(
            &arena, "Digest realm=\"a \\\"b\\\"\", nonce=\"n1\", opaque=\"\", algorithm=%s%s",
            digest_algorithm_name((enum digest_algorithm)(i / 4)), qops[i % 4]);
        assert_int_equal(digest_challenge_parse(&challenge, &arena, text), 0);
        assert_int_equal(digest_answer(&out, &challenge, &client, &request), 0);
        assert_int_equal(digest_credentials_parse(&own, &arena, buffer_text(&out)), 0);
        assert_text(own.username, "o\"h\\a");
        assert_text(own.realm, "a \"b\"");
        assert_text(own.opaque, "");
        assert_int_equal(own.nc, i % 4 ? 0xabc : 0);
        assert_int_equal(own.qops, i % 4 == 3 ? DIGEST_QOP_AUTH : i % 4);
        struct digest_hex response = response_of(&own, "o\"h\\a", "secret", &request);
        assert_true(digest_is_equal(&own, &response));
        request.body = TEXT("other");
        response = response_of(&own, "o\"h\\a", "secret", &request);
        assert_int_equal(digest_is_equal(&own, &response), i % 4 != 2);
        request.body = TEXT("body");
        buffer_release(&out);
        arena_reset(&arena);
    }
}

static void survives_without_memory(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct buffer out = {0};
    struct digest digest;
    struct digest_request request = {TEXT("REGISTER"), TEXT_NONE};
    struct digest_client client = {TEXT("u"), TEXT("p"), TEXT("sip:x"), TEXT("c"), 1};
    memory_fail_after(0);
    assert_int_equal(digest_challenge_parse(&digest, &arena, TEXT("Digest realm=\"\\r\", nonce=n")),
                     ERROR_MEMORY);
    assert_int_equal(digest_challenge_parse(&digest, &arena, TEXT("Digest realm=r, nonce=n")), 0);
    assert_int_equal(digest_answer(&out, &digest, &client, &request), ERROR_MEMORY);
    memory_fail_never();
    buffer_release(&out);
    arena_reset(&arena);
}

static void names_algorithms(void **state)
{
    (void)state;
    enum digest_algorithm algorithm;
    for (int i = 0; i < DIGEST_ALGORITHM_COUNT; i++) {
        assert_int_equal(digest_algorithm_parse(
                             &algorithm, text_of(digest_algorithm_name((enum digest_algorithm)i))),
                         0);
        assert_int_equal(algorithm, i);
        assert_int_equal(digest_algorithm_base(algorithm), i / 2 * 2);
    }
    assert_int_equal(digest_algorithm_parse(&algorithm, TEXT("SHA-512")), ERROR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_the_rfcs), cmocka_unit_test(sessions_and_bodies),
        cmocka_unit_test(parses_every_form),   cmocka_unit_test(refuses),
        cmocka_unit_test(answers_challenges),  cmocka_unit_test(survives_without_memory),
        cmocka_unit_test(names_algorithms),
    };
    return cmocka_run_group_tests_name("digest (RFC 7616)", tests, NULL, NULL);
}
