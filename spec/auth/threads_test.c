/*
 * Workers judge answers to the same nonces at once, and remember, recall and forget the same users; run under
 * the thread sanitizer. Each count of each nonce is taken by exactly one of them.
 */
#include "auth/auth.h"

#include "../sip/sample.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define WORKERS  4
#define NONCES   8
#define COUNTS   60 /* of each nonce; fewer than the window of counts that may come out of order */
#define REALM    TEXT("example.com")
#define START_MS 1700000000000u

static struct auth *auth;
static struct settings settings;
static struct text challenges[NONCES]; /* header values, in the arena */
static _Atomic unsigned taken[NONCES][COUNTS + 1];

struct worker {
    pthread_t thread;
    struct counters counters;
    unsigned number;
    uint64_t good, replayed, recalled;
};

static struct auth_scope scope_of(struct worker *worker)
{
    return (struct auth_scope){REALM, START_MS, &settings, &worker->counters, NULL};
}

/** A challenge's value. */
static struct text print_challenge(struct worker *worker, struct arena *arena)
{
    struct auth_scope scope = scope_of(worker);
    struct buffer out = {0};
    auth_print_challenge(auth, &scope,
                         &(struct auth_challenge){.qops = DIGEST_QOP_AUTH, .algorithm_count = 1},
                         &out);
    assert_int_equal(out.error, 0);
    struct text line = text_trim(buffer_text(&out));
    struct text value = arena_printf(arena, "%.*s", (int)(line.n - strlen("WWW-Authenticate: ")),
                                     line.p + strlen("WWW-Authenticate: "));
    buffer_release(&out);
    return value;
}

/** The REGISTER that answers a challenge with a count. */
static struct message *answer(struct arena *arena, struct text challenge, uint32_t nc)
{
    struct digest digest;
    struct buffer line = {0};
    struct message *message;
    struct message_fault fault;
    const struct digest_client alice = {TEXT("alice"), TEXT("secret"), TEXT("sip:example.com"),
                                        TEXT("c"), nc};
    assert_int_equal(digest_challenge_parse(&digest, arena, challenge), 0);
    assert_int_equal(digest_answer(&line, &digest, &alice,
                                   &(struct digest_request){TEXT("REGISTER"), TEXT_NONE}),
                     0);
    struct text bytes =
        arena_printf(arena,
                     "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
                     "From: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nCall-ID: c\r\n"
                     "CSeq: 1 REGISTER\r\nAuthorization: %.*s\r\nContent-Length: 0\r\n\r\n",
                     TEXT_ARG(buffer_text(&line)));
    assert_int_equal(message_parse(&message, bytes, &settings, &fault), 0);
    buffer_release(&line);
    return message;
}

static void judge_once(struct worker *worker, unsigned nonce, uint32_t nc)
{
    struct arena arena = {0};
    struct auth_scope scope = scope_of(worker);
    struct auth_credentials credentials;
    struct auth_secret secret = {TEXT("secret"), true};
    struct digest_hex ha1;
    struct message *message = answer(&arena, challenges[nonce], nc);
    assert_int_equal(auth_find(auth, &scope, message, AUTH_ANY, &credentials), AUTH_GOOD);
    if (auth_recall(auth, &scope, &credentials, &ha1) == 0) {
        secret = (struct auth_secret){digest_hex_text(&ha1), false};
        worker->recalled++;
    }
    enum auth_verdict verdict = auth_verify(auth, &scope, message, &credentials, &secret);
    assert_true(verdict == AUTH_GOOD || verdict == AUTH_REPLAYED);
    worker->good += verdict == AUTH_GOOD;
    worker->replayed += verdict == AUTH_REPLAYED;
    taken[nonce][nc] += verdict == AUTH_GOOD;
    auth_count(&scope, verdict);
    if (nc % 8 == worker->number)
        auth_forget(auth, TEXT("alice"), REALM);
    else
        auth_remember(auth, &scope, &credentials, &secret, 60000);
    memory_release(message);
    arena_reset(&arena);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct arena arena = {0};
    for (uint32_t nc = 1; nc <= COUNTS; nc++)
        for (unsigned nonce = 0; nonce < NONCES; nonce++)
            judge_once(worker, (nonce + worker->number) % NONCES, nc);
    print_challenge(worker, &arena);
    arena_reset(&arena);
    return NULL;
}

static void a_count_is_taken_once_whoever_judges(void **state)
{
    static struct worker workers[WORKERS];
    struct arena arena = {0};
    struct random random;
    uint64_t good = 0, all = 0, recalled = 0;
    (void)state;
    random_seed(&random, 1);
    settings_default(&settings);
    assert_int_equal(auth_create(&auth, TEXT_NONE, &random), 0);
    for (unsigned i = 0; i < NONCES; i++)
        challenges[i] = print_challenge(&workers[0], &arena);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].number = i;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        good += workers[i].good;
        all += workers[i].good + workers[i].replayed;
        recalled += workers[i].recalled;
    }
    assert_int_equal(good, NONCES * COUNTS);
    assert_int_equal(all, WORKERS * NONCES * COUNTS);
    assert_true(recalled > 0);
    for (unsigned nonce = 0; nonce < NONCES; nonce++)
        for (unsigned nc = 1; nc <= COUNTS; nc++)
            assert_int_equal(taken[nonce][nc], 1);
    arena_reset(&arena);
    memory_release(auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_count_is_taken_once_whoever_judges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
