/* Edits over received bytes: what is not edited goes on byte for byte (RFC 3261 s16.6). */
#include "sip/edit.h"

#include "base/random.h"
#include "sample.h"

#include <stdio.h>

#define MODEL_LINES 256
#define MODEL_RUNS  400
#define MODEL_STEPS 24

static struct edits *edits_of(struct message *msg, struct edits *parent)
{
    struct edits *edits;
    assert_int_equal(edits_begin(&edits, msg, parent), 0);
    return edits;
}

/** The first header of that name as it would be sent. */
static struct header_view view_of(const struct edits *edits, const char *name)
{
    struct header_view view;
    assert_true(edits_header(edits, HEADER_OTHER, text_of(name), &view));
    return view;
}

static void cut_first_route(struct edits *edits)
{
    struct header_view route = view_of(edits, "Route");
    struct text rest = route.value;
    name_addr_split(&rest);
    assert_int_equal(edits_keep_end(edits, &route, rest), 0);
}

static void expect_print(const struct edits *edits, const char *expected)
{
    struct buffer out = {0};
    edits_print(edits, &out);
    assert_int_equal(out.error, 0);
    buffer_append_char(&out, 0);
    assert_string_equal(out.p, expected);
    buffer_release(&out);
}

#define SMALL                                                                                      \
    "OPTIONS sip:a SIP/2.0\r\nv: SIP/2.0/UDP h\r\nFROM:<sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n"       \
    "Call-ID: x\r\nCSeq: 1 OPTIONS\r\nRoute: <sip:r1>,\r\n <sip:r2>\r\nX: 1\r\nX: 2\r\n"
#define SMALL_HEAD "OPTIONS sip:a SIP/2.0\r\nv: SIP/2.0/UDP h\r\nFROM:<sip:a@b>;tag=1\r\n"

static void sends_the_same_bytes_without_edits(void **state)
{
    (void)state;
    struct message *msg = sample(SAMPLE_INVITE);
    struct edits *parent = edits_of(msg, NULL), *child = edits_of(msg, parent);
    assert_true(edits_is_empty(child));
    expect_print(child, SAMPLE_INVITE);
    memory_release(msg);
}

static void changes_what_it_is_told_to_change(void **state)
{
    (void)state;
    struct message *msg = sample(SMALL "\r\nbody");
    struct edits *edits = edits_of(msg, NULL);
    struct header_view to = view_of(edits, "to"), x = view_of(edits, "X");
    assert_int_equal(edits_replace(edits, &to, TEXT("<sip:e@f>")), 0);
    assert_int_equal(edits_remove(edits, &x), 0);
    assert_int_equal(edits_insert_before(edits, &to, TEXT("New"), TEXT("n")), 0);
    assert_int_equal(edits_prepend(edits, HEADER_VIA, TEXT("Via"), TEXT("SIP/2.0/UDP g")), 0);
    assert_int_equal(
        edits_prepend(edits, HEADER_RECORD_ROUTE, TEXT("Record-Route"), TEXT("<sip:p>")), 0);
    assert_int_equal(edits_append(edits, TEXT("Last"), TEXT("")), 0);
    assert_int_equal(edits_set_request_uri(edits, TEXT("sip:z")), 0);
    cut_first_route(edits);
    expect_print(edits, "OPTIONS sip:z SIP/2.0\r\nRecord-Route: <sip:p>\r\nVia: SIP/2.0/UDP g\r\n"
                        "v: SIP/2.0/UDP h\r\nFROM:<sip:a@b>;tag=1\r\nNew: n\r\nTo: <sip:e@f>\r\n"
                        "Call-ID: x\r\nCSeq: 1 OPTIONS\r\nRoute: <sip:r2>\r\nX: 2\r\nLast: \r\n"
                        "\r\nbody");
    assert_text(edits_request_uri(edits), "sip:z");
    cut_first_route(edits);
    struct header_view view;
    assert_false(edits_header(edits, HEADER_ROUTE, TEXT_NONE, &view));
    assert_true(edits_header_next(edits, &x, &view)); /* a removed line knows its next */
    assert_text(view.value, "2");
    memory_release(msg);
}

static void adds_lines_of_our_own(void **state)
{
    (void)state;
    struct message *msg = sample(SMALL "\r\n");
    struct edits *edits = edits_of(msg, NULL);
    assert_int_equal(edits_prepend_line(edits, HEADER_VIA, TEXT("Via: SIP/2.0/UDP g\r\n")), 0);
    assert_int_equal(
        edits_append_line(edits, HEADER_RECORD_ROUTE, TEXT("Record-Route: <sip:p>\r\n")), 0);
    struct header_view via = view_of(edits, "Via"), route = view_of(edits, "Record-Route");
    assert_text(via.value, "SIP/2.0/UDP g");
    assert_text(via.name, "Via");
    assert_text(route.value, "<sip:p>");
    expect_print(edits,
                 "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP g\r\nv: SIP/2.0/UDP h\r\n"
                 "FROM:<sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n"
                 "Route: <sip:r1>,\r\n <sip:r2>\r\nX: 1\r\nX: 2\r\nRecord-Route: <sip:p>\r\n\r\n");
    memory_release(msg);
}

static void sets_and_removes_by_name(void **state)
{
    (void)state;
    struct message *msg = sample(SMALL "\r\n");
    struct edits *edits = edits_of(msg, NULL);
    assert_int_equal(edits_set(edits, TEXT("x"), TEXT("3")), 0);
    assert_int_equal(edits_set(edits, TEXT("Via"), TEXT("V")), 0);
    assert_int_equal(edits_set(edits, TEXT("Y"), TEXT("y")), 0);
    assert_int_equal(edits_remove_all(edits, TEXT("route")), 1);
    assert_int_equal(edits_remove_all(edits, TEXT("route")), 0);
    expect_print(edits, "OPTIONS sip:a SIP/2.0\r\nv: V\r\nFROM:<sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n"
                        "Call-ID: x\r\nCSeq: 1 OPTIONS\r\nX: 3\r\nY: y\r\n\r\n");
    memory_release(msg);
}

static void lays_a_branch_over_the_request(void **state)
{
    (void)state;
    struct message *msg = sample(SMALL "\r\n");
    struct edits *parent = edits_of(msg, NULL);
    assert_int_equal(edits_append(parent, TEXT("P"), TEXT("1")), 0);
    assert_int_equal(edits_set_request_uri(parent, TEXT("sip:p")), 0);
    struct edits *one = edits_of(msg, parent), *two = edits_of(msg, parent);
    struct header_view p = view_of(one, "P");
    assert_text(p.value, "1");
    assert_int_equal(edits_replace(one, &p, TEXT("one")), 0);
    assert_int_equal(edits_remove(two, &p), 0);
    assert_int_equal(edits_set_request_uri(two, TEXT("sip:two")), 0);
    assert_text(edits_request_uri(one), "sip:p");
    assert_text(edits_request_uri(two), "sip:two");
    assert_text(view_of(parent, "P").value, "1");
    assert_text(view_of(one, "P").value, "one");
    assert_false(edits_header(two, HEADER_OTHER, TEXT("P"), &p));
    assert_false(edits_is_empty(one));
    memory_release(msg);
}

#define KIND(name) (UINT64_C(1) << HEADER_##name)

static void knows_which_kinds_it_changed(void **state)
{
    (void)state;
    struct message *msg = sample(SMALL "\r\n");
    struct edits *parent = edits_of(msg, NULL);
    assert_false(edits_has_changed(parent, UINT64_MAX));
    assert_int_equal(edits_set_request_uri(parent, TEXT("sip:p")), 0); /* no header */
    assert_false(edits_has_changed(parent, UINT64_MAX));
    cut_first_route(parent);
    assert_int_equal(edits_set(parent, TEXT("t"), TEXT("<sip:e@f>")), 0);
    struct edits *child = edits_of(msg, parent);
    assert_true(edits_has_changed(parent, KIND(ROUTE)));
    assert_true(edits_has_changed(child, KIND(TO) | KIND(FROM)));
    assert_false(edits_has_changed(child, KIND(FROM) | KIND(VIA) | KIND(OTHER)));
    assert_int_equal(edits_append(child, TEXT("New"), TEXT("3")), 0);
    assert_int_equal(edits_remove_all(child, TEXT("From")), 1);
    assert_true(edits_has_changed(child, KIND(TO)));
    assert_true(edits_has_changed(child, KIND(FROM)));
    assert_true(edits_has_changed(child, KIND(OTHER)));
    assert_false(edits_has_changed(parent, KIND(FROM) | KIND(OTHER)));
    memory_release(msg);
}

static void keeps_content_length_true(void **state)
{
    (void)state;
    struct message *msg = sample(SMALL "l:4\r\nc:a/b\r\n\r\nbody");
    struct edits *edits = edits_of(msg, NULL);
    assert_int_equal(edits_set_body(edits, TEXT("longer body"), TEXT_NONE), 0);
    assert_text(edits_body(edits), "longer body");
    expect_print(edits, SMALL "l: 11\r\nc:a/b\r\n\r\nlonger body");
    assert_int_equal(edits_set_body(edits, TEXT_NONE, TEXT_NONE), 0);
    expect_print(edits, SMALL "l: 0\r\n\r\n");
    memory_release(msg);

    msg = sample(SMALL "\r\n");
    edits = edits_of(msg, NULL);
    assert_int_equal(edits_set_body(edits, TEXT("x"), TEXT("text/plain")), 0);
    expect_print(edits, SMALL "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx");
    memory_release(msg);
}

static void prints_another_status(void **state)
{
    (void)state;
    struct message *msg = sample("SIP/2.0 503 Busy\r\nv: SIP/2.0/UDP h\r\nf:<sip:a@b>\r\n"
                                 "t:<sip:c@d>\r\ni:x\r\nCSeq:1 BYE\r\n\r\n");
    struct edits *edits = edits_of(msg, NULL);
    assert_int_equal(edits_set_status(edits, 500, TEXT_NONE), 0);
    expect_print(edits, "SIP/2.0 500 Server Internal Error\r\nv: SIP/2.0/UDP h\r\nf:<sip:a@b>\r\n"
                        "t:<sip:c@d>\r\ni:x\r\nCSeq:1 BYE\r\n\r\n");
    assert_int_equal(edits_set_status(edits, 99, TEXT_NONE), ERROR_STATE);
    assert_int_equal(edits_set_status(edits, 480, TEXT("a\nb")), ERROR_SYNTAX);
    memory_release(msg);
    msg = sample(SMALL "\r\n");
    edits = edits_of(msg, NULL);
    assert_int_equal(edits_set_status(edits, 500, TEXT_NONE), ERROR_STATE);
    memory_release(msg);
}

/* A script that copies what a caller wrote cannot be made to send lines of the caller's. */
static void lets_no_line_end_in(void **state)
{
    (void)state;
    struct message *msg = sample(SMALL "\r\n");
    struct edits *edits = edits_of(msg, NULL);
    struct header_view to = view_of(edits, "To");
    assert_int_equal(edits_replace(edits, &to, TEXT("a\r\nEvil: 1")), ERROR_SYNTAX);
    assert_int_equal(edits_append(edits, TEXT("X"), TEXT("a\nb")), ERROR_SYNTAX);
    assert_int_equal(edits_append(edits, TEXT("X: y\r\nZ"), TEXT("a")), ERROR_SYNTAX);
    assert_int_equal(edits_append(edits, TEXT(""), TEXT("a")), ERROR_SYNTAX);
    assert_int_equal(edits_set(edits, TEXT("To"), TEXT("a\rb")), ERROR_SYNTAX);
    assert_int_equal(edits_set_request_uri(edits, TEXT("sip:a\r\n")), ERROR_SYNTAX);
    assert_int_equal(edits_set_request_uri(edits, TEXT("sip:a b")), ERROR_SYNTAX);
    assert_int_equal(edits_set_request_uri(edits, TEXT("")), ERROR_SYNTAX);
    expect_print(edits, SMALL "\r\n");
    memory_release(msg);
}

/* ---- random edits against lines in an array ---- */

struct model {
    char lines[MODEL_LINES][64];
    size_t count;
};

static size_t model_nth(const struct edits *edits, size_t n, struct header_view *view)
{
    size_t i = 0;
    *view = (struct header_view){0};
    while (edits_each(edits, view))
        if (i++ == n)
            return n;
    fail();
    return 0;
}

static void model_insert(struct model *model, size_t at, const char *line)
{
    memmove(model->lines[at + 1], model->lines[at], (model->count - at) * sizeof model->lines[0]);
    strcpy(model->lines[at], line);
    model->count++;
}

static void model_step(struct edits *edits, struct model *model, struct random *random)
{
    char value[32], line[64];
    struct header_view view;
    unsigned serial = (unsigned)random_below(random, 1000000);
    size_t n = random_below(random, (uint32_t)model->count);
    struct text text = {value, (size_t)snprintf(value, sizeof value, "%u", serial)};
    model_nth(edits, n, &view);
    switch (random_below(random, 5)) {
    case 0:
        if (model->count < 4)
            break;
        assert_int_equal(edits_remove(edits, &view), 0);
        memmove(model->lines[n], model->lines[n + 1],
                (--model->count - n) * sizeof model->lines[0]);
        break;
    case 1:
        snprintf(line, sizeof line, "%.*s: %s\r\n", TEXT_ARG(view.name), value);
        assert_int_equal(edits_replace(edits, &view, text), 0);
        strcpy(model->lines[n], line);
        break;
    case 2:
        snprintf(line, sizeof line, "I-%u: %s\r\n", serial, value);
        assert_int_equal(
            edits_insert_before(edits, &view, (struct text){line, strcspn(line, ":")}, text), 0);
        model_insert(model, n, line);
        break;
    case 3:
        snprintf(line, sizeof line, "A-%u: %s\r\n", serial, value);
        assert_int_equal(edits_append(edits, (struct text){line, strcspn(line, ":")}, text), 0);
        model_insert(model, model->count, line);
        break;
    default:
        snprintf(line, sizeof line, "Path: %s\r\n", value);
        for (n = 0; n < model->count && strncmp(model->lines[n], "Path:", 5) != 0;)
            n++;
        assert_int_equal(edits_prepend(edits, HEADER_PATH, TEXT("Path"), text), 0);
        model_insert(model, n == model->count ? 0 : n, line);
    }
}

static void model_compare(const struct edits *edits, const struct model *model, const char *body)
{
    struct buffer out = {0};
    buffer_append(&out, TEXT("OPTIONS sip:a SIP/2.0\r\n"));
    for (size_t i = 0; i < model->count; i++)
        buffer_append(&out, text_of(model->lines[i]));
    buffer_append(&out, TEXT("\r\n"));
    buffer_append(&out, text_of(body));
    buffer_append_char(&out, 0);
    expect_print(edits, out.p);
    buffer_release(&out);
}

static void agrees_with_lines_in_an_array(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 1);
    for (int run = 0; run < MODEL_RUNS; run++) {
        struct message *msg = sample(SMALL "\r\nbody");
        struct edits *edits = edits_of(msg, NULL);
        struct model model = {.count = msg->header_count};
        for (size_t i = 0; i < model.count; i++)
            assert_true(text_to_array(msg->headers[i].line, model.lines[i], sizeof model.lines[0]));
        for (int step = 0; step < MODEL_STEPS; step++) {
            if (random_below(&random, 8) == 0) /* a new layer on top */
                edits = edits_of(msg, edits);
            model_step(edits, &model, &random);
            model_compare(edits, &model, "body");
        }
        memory_release(msg);
    }
}

/* ---- memory ---- */

static int do_everything(struct message *msg, struct buffer *out)
{
    struct edits *parent = NULL, *child = NULL;
    struct header_view view;
    int error = edits_begin(&parent, msg, NULL);
    if (!error)
        error = edits_prepend(parent, HEADER_VIA, TEXT("Via"), TEXT("SIP/2.0/UDP g"));
    for (int i = 0; !error && i < 20; i++)
        error = edits_append(parent, TEXT("Y"), TEXT("a value that fills the lent memory in time"));
    if (!error)
        error = edits_begin(&child, msg, parent);
    if (!error && edits_header(child, HEADER_TO, TEXT_NONE, &view))
        error = edits_replace(child, &view, TEXT("<sip:e@f>"));
    if (!error)
        error = edits_remove_all(child, TEXT("Y")) < 0 ? ERROR_MEMORY : 0;
    if (!error)
        error = edits_set_body(child, text_of(SAMPLE_INVITE SAMPLE_INVITE), TEXT("x/y"));
    if (!error)
        error = edits_set_request_uri(child, TEXT("sip:z"));
    if (!error) {
        edits_print(child, out);
        error = out->error;
    }
    return error;
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    uint64_t live = memory_live();
    struct message *msg = sample(SMALL "\r\n");
    int error = ERROR_MEMORY;
    for (uint64_t n = 0; error; n++) {
        struct buffer out = {0};
        memory_fail_after(n);
        error = do_everything(msg, &out);
        memory_fail_never();
        assert_true(error == 0 || error == ERROR_MEMORY);
        buffer_release(&out);
    }
    memory_release(msg);
    assert_int_equal(memory_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_the_same_bytes_without_edits),
        cmocka_unit_test(changes_what_it_is_told_to_change),
        cmocka_unit_test(adds_lines_of_our_own),
        cmocka_unit_test(sets_and_removes_by_name),
        cmocka_unit_test(lays_a_branch_over_the_request),
        cmocka_unit_test(knows_which_kinds_it_changed),
        cmocka_unit_test(keeps_content_length_true),
        cmocka_unit_test(prints_another_status),
        cmocka_unit_test(lets_no_line_end_in),
        cmocka_unit_test(agrees_with_lines_in_an_array),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
