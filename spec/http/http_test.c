/* The client against a server of the test's own, on the loopback. */
#include "base/error.h"
#include "base/memory.h"
#include "http/http.h"
#include "server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#define PATIENCE_S 30 /* a test that waits longer has failed */
#define TEXT_BYTES 65536

/** The last answer of an asker, copied. */
struct asked {
    int error;
    unsigned status, count;
    char problem[256], fields[1024], body[TEXT_BYTES];
    size_t body_bytes;
};

struct bench {
    struct io *io;
    struct settings settings;
    struct counters counters;
    struct http *http;
    struct loop *loop; /* that answers come home to; its thread delivers them */
    struct mailbox mailbox;
    struct server server;
    pthread_mutex_t lock;
    pthread_cond_t came;
    uint64_t live_before;
};

static struct bench *current;

static void on_wake(void *arg)
{
    struct bench *bench = arg;
    mailbox_run(&bench->mailbox);
}

static void on_answer(void *arg, const struct http_answer *answer)
{
    struct asked *asked = arg;
    pthread_mutex_lock(&current->lock);
    asked->error = answer->error;
    asked->status = answer->status;
    snprintf(asked->problem, sizeof asked->problem, "%s", answer->problem);
    size_t n = 0;
    for (size_t i = 0; i < answer->field_count && n < 900; i++)
        n += (size_t)snprintf(asked->fields + n, sizeof asked->fields - n, "%.*s=%.*s\n",
                              TEXT_ARG(answer->fields[i].name), TEXT_ARG(answer->fields[i].value));
    asked->body_bytes = answer->body.n;
    text_to_array(answer->body, asked->body, sizeof asked->body);
    asked->count++;
    pthread_cond_broadcast(&current->came);
    pthread_mutex_unlock(&current->lock);
}

static void start_client(struct bench *bench)
{
    struct http_options options = {bench->io, &bench->settings, &bench->counters};
    assert_int_equal(http_create(&bench->http, &options), 0);
    assert_int_equal(http_start(bench->http), 0);
}

static int set_up(void **state)
{
    static struct bench bench;
    bench = (struct bench){.live_before = memory_live()};
    current = *state = &bench;
    pthread_mutex_init(&bench.lock, NULL);
    pthread_cond_init(&bench.came, NULL);
    settings_default(&bench.settings);
    bench.settings.http_timeout_ms = PATIENCE_S * 1000;
    server_open(&bench.server);
    if (io_uv_create(&bench.io) || loop_create(&bench.loop, bench.io, "asker"))
        return -1;
    loop_set_handlers(bench.loop, &(struct loop_handlers){.wake = on_wake, .arg = &bench});
    bench.mailbox.loop = bench.loop;
    return loop_start(bench.loop);
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    if (bench->http)
        http_stop(bench->http);
    loop_stop(bench->loop);
    loop_join(bench->loop);
    mailbox_drop(&bench->mailbox);
    memory_release(bench->http);
    memory_release(bench->loop);
    memory_release(bench->io);
    server_close(&bench->server);
    pthread_cond_destroy(&bench->came);
    pthread_mutex_destroy(&bench->lock);
    assert_int_equal(memory_live(), bench->live_before);
    return 0;
}

/** @param path  of the server, or a whole URL */
static int ask(struct bench *bench, struct http_request request, const char *path,
               struct asked *asked)
{
    char url[512];
    const char *problem;
    snprintf(url, sizeof url, strstr(path, ":") ? "%s" : "http://127.0.0.1:%2$u%1$s", path,
             bench->server.port);
    memset(asked, 0, sizeof *asked);
    request.url = text_of(url);
    if (!request.method.p)
        request.method = TEXT("GET");
    return http_ask(bench->http, &request, &bench->mailbox, on_answer, asked, &problem);
}

static void wait_for(struct bench *bench, struct asked *asked)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&bench->lock);
    int status = 0;
    while (!asked->count && !status)
        status = pthread_cond_timedwait(&bench->came, &bench->lock, &until);
    pthread_mutex_unlock(&bench->lock);
    assert_int_equal(asked->count, 1);
}

static void get(struct bench *bench, struct http_request request, const char *path,
                struct asked *asked)
{
    assert_int_equal(ask(bench, request, path, asked), 0);
    wait_for(bench, asked);
}

#define COUNTED(name) ((unsigned)bench->counters.value[COUNTER_HTTP_##name])
#define FIELDS(...)                                                                                \
    .fields = (const struct http_field[]){__VA_ARGS__},                                            \
    .field_count = sizeof((const struct http_field[]){__VA_ARGS__}) / sizeof(struct http_field)

static struct asked one, two, three;

static void sends_what_is_asked_and_nothing_else(void **state)
{
    struct bench *bench = *state;
    char expected[512];
    start_client(bench);
    get(bench,
        (struct http_request){FIELDS({TEXT("X-Key"), TEXT("secret: 1")}, {TEXT("X-No"), TEXT("")})},
        "/echo?a=b", &one);
    snprintf(expected, sizeof expected,
             "GET /echo?a=b HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: */*\r\nX-Key: secret: "
             "1\r\nX-No:\r\n\r\n",
             bench->server.port);
    assert_string_equal(one.body, expected);
    assert_int_equal(one.status, 200);
    assert_non_null(strstr(one.fields, "X-Name=one\nX-Name=two\nX-Empty=\n"));
    get(bench,
        (struct http_request){.method = TEXT("POST"),
                              .body = TEXT("{\"a\":1}"),
                              FIELDS({TEXT("Content-Type"), TEXT("application/json")})},
        "/echo", &one);
    assert_non_null(strstr(one.body, "POST /echo HTTP/1.1\r\n"));
    assert_non_null(strstr(
        one.body, "\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}"));
    get(bench, (struct http_request){.method = TEXT("POST")}, "/echo", &one);
    assert_non_null(strstr(one.body, "\r\nContent-Length: 0\r\n"));
    assert_null(strstr(one.body, "Content-Type"));
    get(bench, (struct http_request){.method = TEXT("PUT"), .body = TEXT("x")}, "/echo", &one);
    assert_non_null(strstr(one.body, "PUT /echo HTTP/1.1\r\n"));
    get(bench, (struct http_request){.method = TEXT("DELETE")}, "/echo", &one);
    assert_non_null(strstr(one.body, "DELETE /echo HTTP/1.1\r\n"));
    assert_int_equal(COUNTED(ASKED), 5);
    assert_int_equal(COUNTED(FAILED), 0);
}

/* A value that ended in ':' and one character more was taken for none: "::1" arrived as ":". */
static void sends_values_as_they_are(void **state)
{
    struct bench *bench = *state;
    start_client(bench);
    get(bench,
        (struct http_request){FIELDS({TEXT("X-A"), TEXT("::1")}, {TEXT("X-B"), TEXT("12:3")},
                                     {TEXT("X-C"), TEXT(":")}, {TEXT("X-D"), TEXT(" \t ")},
                                     {TEXT("X-E"), TEXT(" a: ")}, {TEXT("E"), TEXT("")})},
        "/echo", &one);
    assert_non_null(
        strstr(one.body, "\r\nX-A: ::1\r\nX-B: 12:3\r\nX-C: :\r\nX-D:\r\nX-E: a:\r\nE:\r\n\r\n"));
}

static void takes_every_status_as_an_answer(void **state)
{
    struct bench *bench = *state;
    start_client(bench);
    get(bench, (struct http_request){0}, "/nothing", &one);
    assert_int_equal(one.error, 0);
    assert_int_equal(one.status, 404);
    assert_string_equal(one.body, "no");
}

static void uses_a_connection_again(void **state)
{
    struct bench *bench = *state;
    start_client(bench);
    for (int i = 0; i < 5; i++)
        get(bench, (struct http_request){0}, "/echo", &one);
    assert_int_equal(bench->server.accepted, 1);
}

static void lets_a_slow_answer_delay_nobody(void **state)
{
    struct bench *bench = *state;
    start_client(bench);
    assert_int_equal(ask(bench, (struct http_request){0}, "/hold", &one), 0);
    server_wait_held(&bench->server, 1);
    get(bench, (struct http_request){0}, "/echo", &two);
    assert_int_equal(two.status, 200);
    assert_int_equal(one.count, 0);
    server_release(&bench->server);
    wait_for(bench, &one);
    assert_string_equal(one.body, "held");
}

static void keeps_its_deadline(void **state)
{
    struct bench *bench = *state;
    bench->settings.http_host_connections = 1;
    bench->settings.http_timeout_ms = 30;
    start_client(bench);
    assert_int_equal(ask(bench, (struct http_request){.deadline_ms = 10000}, "/hold", &one), 0);
    server_wait_held(&bench->server, 1);
    /* The only connection is in use: its deadline passes while it waits for one. */
    get(bench, (struct http_request){0}, "/echo", &two);
    assert_int_equal(two.error, ERROR_TIMEOUT);
    assert_string_equal(two.problem, "no answer within the deadline");
    server_release(&bench->server);
    wait_for(bench, &one);
    assert_int_equal(one.error, 0);
    get(bench, (struct http_request){.deadline_ms = 10000}, "/echo", &three);
    assert_int_equal(three.error, 0);
    assert_int_equal(COUNTED(LATE), 1);
}

static void follows_redirects_only_where_asked(void **state)
{
    struct bench *bench = *state;
    start_client(bench);
    get(bench, (struct http_request){0}, "/to/echo", &one);
    assert_int_equal(one.status, 302);
    assert_non_null(strstr(one.fields, "Location=/echo\n"));
    assert_string_equal(one.body, "there");
    get(bench, (struct http_request){.redirects = 1}, "/to/echo", &one);
    assert_int_equal(one.status, 200);
    assert_null(strstr(one.fields, "Location"));
    get(bench, (struct http_request){.redirects = 1}, "/to/to/echo", &one);
    assert_int_equal(one.error, ERROR_LIMIT);
    get(bench, (struct http_request){.redirects = 10}, "/loop", &one);
    assert_int_equal(one.error, ERROR_LIMIT);
}

static void bounds_what_comes(void **state)
{
    struct bench *bench = *state;
    bench->settings.http_body_bytes = 1000;
    bench->settings.http_head_bytes = 1024;
    start_client(bench);
    get(bench, (struct http_request){0}, "/big/1000", &one);
    assert_int_equal(one.error, 0);
    assert_int_equal(one.body_bytes, 1000);
    get(bench, (struct http_request){0}, "/big/1001", &one);
    assert_int_equal(one.error, ERROR_LIMIT);
    assert_string_equal(one.problem, "the answer's body is larger than http.body_bytes");
    assert_int_equal(one.body_bytes, 0);
    get(bench, (struct http_request){0}, "/head/1100", &one);
    assert_int_equal(one.error, ERROR_LIMIT);
    assert_string_equal(one.problem, "the answer's head is larger than http.head_bytes");
    assert_int_equal(COUNTED(TOO_LARGE), 2);
}

static void bounds_what_is_under_way(void **state)
{
    struct bench *bench = *state;
    bench->settings.http_requests = 2;
    start_client(bench);
    assert_int_equal(ask(bench, (struct http_request){0}, "/hold", &one), 0);
    assert_int_equal(ask(bench, (struct http_request){0}, "/hold", &two), 0);
    assert_int_equal(ask(bench, (struct http_request){0}, "/echo", &three), ERROR_LIMIT);
    assert_int_equal(http_waiting(bench->http), 2);
    assert_int_equal(COUNTED(REFUSED), 1);
    server_release(&bench->server);
    wait_for(bench, &one);
    wait_for(bench, &two);
}

static void says_why_there_is_no_answer(void **state)
{
    struct bench *bench = *state;
    struct server nobody;
    char url[64];
    start_client(bench);
    server_open(&nobody);
    server_close(&nobody);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", nobody.port);
    get(bench, (struct http_request){0}, url, &one);
    assert_int_equal(one.error, ERROR_TRANSPORT);
    assert_non_null(strstr(one.problem, "Failed to connect"));
    get(bench, (struct http_request){0}, "/cut", &one);
    assert_int_equal(one.error, ERROR_TRANSPORT);
    assert_int_equal(one.body_bytes, 0);
    get(bench, (struct http_request){0}, "http://nowhere.invalid/", &one);
    assert_int_equal(one.error, ERROR_TRANSPORT);
    assert_non_null(strstr(one.problem, "nowhere.invalid"));
    assert_int_equal(COUNTED(FAILED), 3);
}

static void refuses_what_is_malformed(void **state)
{
    struct bench *bench = *state;
    struct http_field break_in = {TEXT("X-A"), TEXT("1\r\nX-B: 2")},
                      no_name = {TEXT("X A"), TEXT("1")};
    start_client(bench);
    assert_int_equal(ask(bench, (struct http_request){0}, "file:///etc/passwd", &one),
                     ERROR_ARGUMENT);
    assert_int_equal(ask(bench, (struct http_request){0}, "ftp://127.0.0.1:1/", &one),
                     ERROR_ARGUMENT);
    assert_int_equal(ask(bench, (struct http_request){0}, "http://a:b:c/", &one), ERROR_ARGUMENT);
    assert_int_equal(ask(bench, (struct http_request){0}, "http://a:1/\r\nX: 1", &one),
                     ERROR_ARGUMENT);
    assert_int_equal(ask(bench, (struct http_request){0}, "/a b", &one), ERROR_ARGUMENT);
    assert_int_equal(ask(bench, (struct http_request){.method = TEXT("GE T")}, "/echo", &one),
                     ERROR_ARGUMENT);
    assert_int_equal(
        ask(bench, (struct http_request){.method = TEXT("HEAD"), .body = TEXT("x")}, "/echo", &one),
        ERROR_ARGUMENT);
    assert_int_equal(
        ask(bench, (struct http_request){.fields = &break_in, .field_count = 1}, "/echo", &one),
        ERROR_ARGUMENT);
    assert_int_equal(
        ask(bench, (struct http_request){.fields = &no_name, .field_count = 1}, "/echo", &one),
        ERROR_ARGUMENT);
    assert_int_equal(COUNTED(ASKED), 0);
    assert_int_equal(http_waiting(bench->http), 0);
}

static void answers_what_waits_when_it_stops(void **state)
{
    struct bench *bench = *state;
    start_client(bench);
    assert_int_equal(ask(bench, (struct http_request){0}, "/hold", &one), 0);
    server_wait_held(&bench->server, 1);
    http_stop(bench->http);
    wait_for(bench, &one);
    assert_int_equal(one.error, ERROR_CANCELLED);
    assert_int_equal(ask(bench, (struct http_request){0}, "/echo", &two), ERROR_STATE);
}

static void survives_without_memory(void **state)
{
    struct bench *bench = *state;
    start_client(bench);
    for (unsigned n = 0;; n++) {
        memory_fail_after(n);
        int error = ask(bench, (struct http_request){0}, "/echo", &one);
        memory_fail_never();
        if (!error)
            break;
        assert_int_equal(error, ERROR_MEMORY);
        assert_int_equal(http_waiting(bench->http), 0);
    }
    wait_for(bench, &one);
    assert_int_equal(one.error, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sends_what_is_asked_and_nothing_else),
        TEST(sends_values_as_they_are),
        TEST(takes_every_status_as_an_answer),
        TEST(uses_a_connection_again),
        TEST(lets_a_slow_answer_delay_nobody),
        TEST(keeps_its_deadline),
        TEST(follows_redirects_only_where_asked),
        TEST(bounds_what_comes),
        TEST(bounds_what_is_under_way),
        TEST(says_why_there_is_no_answer),
        TEST(refuses_what_is_malformed),
        TEST(answers_what_waits_when_it_stops),
        TEST(survives_without_memory),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
