/* Kamailio's list format, what is refused, and how the refusal reads. */
#include "bench.h"

#include "dispatcher/list_file.h"

/* One good line and what is in it. */
struct good_row {
    const char *line;
    unsigned set;
    const char *uri;
    unsigned flags;
    int priority;
    const char *attrs; /**< NULL: absent */
};

static const struct good_row good_rows[] = {
    {"1 sip:10.0.0.1", 1, "sip:10.0.0.1", 0, 0, NULL},
    {"2 sip:gw.example.com:5080;transport=udp", 2, "sip:gw.example.com:5080;transport=udp", 0, 0,
     NULL},
    {"  17\t sips:gw \t 9   ", 17, "sips:gw", 9, 0, NULL},
    {"1 sip:[2001:db8::1]:5060 0 10", 1, "sip:[2001:db8::1]:5060", 0, 10, NULL},
    {"1 sip:10.0.0.1 0 0 weight=50;duid=a", 1, "sip:10.0.0.1", 0, 0, "weight=50;duid=a"},
    {"1 sip:10.0.0.1 63 7 \"duid=a;note=two words\"", 1, "sip:10.0.0.1", 63, 7,
     "duid=a;note=two words"},
    {"1 sip:10.0.0.1 0 0 \"\"", 1, "sip:10.0.0.1", 0, 0, ""},
    {"1 sip:10.0.0.1 0 0 \"a=b\" # why", 1, "sip:10.0.0.1", 0, 0, "a=b"},
    {"1 sip:10.0.0.1 # comment", 1, "sip:10.0.0.1", 0, 0, NULL},
    {"1 sip:10.0.0.1 8 # comment", 1, "sip:10.0.0.1", 8, 0, NULL},
    {"1 sip:10.0.0.1 0 -5 a=1", 1, "sip:10.0.0.1", 0, -5, "a=1"},
    {"4294967295 sip:10.0.0.1", 4294967295u, "sip:10.0.0.1", 0, 0, NULL},
    {"1 sip:10.0.0.1\r", 1, "sip:10.0.0.1", 0, 0, NULL},
    {"1 sip:10.0.0.1 0 0 a=1;b=2\r", 1, "sip:10.0.0.1", 0, 0, "a=1;b=2"},
};

static int take_one(void *arg, const struct dispatcher_line *line)
{
    struct dispatcher_line *taken = arg;
    assert_null(taken->uri.p);
    *taken = *line;
    return 0;
}

static void expect_text(struct text t, const char *expected)
{
    assert_int_equal(t.n, strlen(expected));
    assert_memory_equal(t.p, expected, t.n);
}

static void reads_a_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good_rows / sizeof *good_rows; i++) {
        const struct good_row *row = &good_rows[i];
        struct dispatcher_line line = {0};
        char *fault = NULL;
        assert_int_equal(dispatcher_list_parse(text_of(row->line), "list", take_one, &line, &fault),
                         0);
        assert_null(fault);
        assert_int_equal(line.set, row->set);
        expect_text(line.uri, row->uri);
        assert_int_equal(line.flags, row->flags);
        assert_int_equal(line.priority, row->priority);
        assert_int_equal(text_is_set(line.attrs), row->attrs != NULL);
        if (row->attrs)
            expect_text(line.attrs, row->attrs);
    }
}

static int count_lines(void *arg, const struct dispatcher_line *line)
{
    unsigned *last = arg;
    assert_true(line->number > *last);
    *last = line->number;
    return 0;
}

static void skips_what_is_empty(void **state)
{
    static const struct {
        const char *list;
        unsigned last; /**< number of the last line taken */
    } rows[] = {
        {"", 0},
        {"\n\n", 0},
        {"# nothing\n   # nothing either\n\t\n", 0},
        {"\xef\xbb\xbf"
         "1 sip:a\n",
         1}, /* a byte order mark */
        {"# public\r\n1 sip:a\r\n\r\n2 sip:b\r\n", 4},
        {"1 sip:a\n2 sip:b", 2}, /* no newline at the end */
        {"#\x01 in a comment\n1 sip:a", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned last = 0;
        assert_int_equal(
            dispatcher_list_parse(text_of(rows[i].list), "list", count_lines, &last, NULL), 0);
        assert_int_equal(last, rows[i].last);
    }
    assert_int_equal(dispatcher_list_parse(TEXT_NONE, "list", count_lines, NULL, NULL), 0);
}

static int stop(void *arg, const struct dispatcher_line *line)
{
    (void)arg, (void)line;
    return ERROR_LIMIT;
}

static void stops_when_told(void **state)
{
    (void)state;
    assert_int_equal(dispatcher_list_parse(TEXT("1 sip:a\nrubbish"), "list", stop, NULL, NULL),
                     ERROR_LIMIT);
}

/* What is refused, by the parser or by the attributes, and with which words. */
static const struct {
    const char *list, *fault;
} bad_rows[] = {
    {"sip:10.0.0.1", "F:1: the set is not a number: \"sip:10.0.0.1\"; a line is: setid uri [flags] "
                     "[priority] [attrs]"},
    {"\n\n-1 sip:a",
     "F:3: the set is not a number: \"-1\"; a line is: setid uri [flags] [priority] "
     "[attrs]"},
    {"4294967296 sip:a", "F:1: the set is not a number: \"4294967296\"; a line is: setid uri "
                         "[flags] [priority] [attrs]"},
    {"1", "F:1: no URI behind set \"1\"; a line is: setid uri [flags] [priority] [attrs]"},
    {"1 # comment", "F:1: no URI behind set \"1\"; a line is: setid uri [flags] [priority] "
                    "[attrs]"},
    {"1 sip:a 64", "F:1: unknown flags \"64\"; add up 1 inactive, 2 trying, 4 disabled, 8 probing, "
                   "16 no DNS, 32 no ping"},
    {"1 sip:a weight=1",
     "F:1: unknown flags \"weight=1\"; add up 1 inactive, 2 trying, 4 disabled, "
     "8 probing, 16 no DNS, 32 no ping"},
    {"1 sip:a 0 high", "F:1: the priority is not a number: \"high\"; a line is: setid uri [flags] "
                       "[priority] [attrs]"},
    {"1 sip:a 0 0 a=b c=d", "F:1: text behind the last column: \"c=d\"; write the last column "
                            "without spaces, or between quotes"},
    {"1 sip:a 0 0 \"a=b", "F:1: the quoted text does not end: \"\"a=b\"; add the closing "
                          "quote"},
    {"1 sip:a 0 0 \"a\"b", "F:1: text right behind the closing quote: \"b\"; put all of it "
                           "between one pair of quotes"},
    {"1 sip:a\x01", "F:1: a control character in the line; write plain text"},
    {"1 10.0.0.1:5060", "F:1: \"10.0.0.1:5060\" is not a SIP URI; write sip:HOST or "
                        "sip:HOST:PORT"},
    {"1 tel:+4912", "F:1: \"tel:+4912\" is not a SIP URI; write sip:HOST or sip:HOST:PORT"},
    {"1 sip:", "F:1: \"sip:\" is not a SIP URI; write sip:HOST or sip:HOST:PORT"},
    {"1 sip:a 0 0 weight=101", "F:1: attribute weight is \"101\"; write a number from 0 to 100"},
    {"1 sip:a 0 0 rweight=x", "F:1: attribute rweight is \"x\"; write a number from 0 to 100"},
    {"1 sip:a\n1 sip:b 0 0 maxload", "F:2: attribute maxload is \"\"; write a number from 0 to "
                                     "1000000"},
    {"1 sip:a 0 0 obproxy=here", "F:1: \"here\" is not a SIP URI; write sip:HOST or sip:HOST:PORT"},
    {"1 sip:a 0 0 ping_from=me", "F:1: \"me\" is not a SIP URI; write sip:HOST or sip:HOST:PORT"},
    {"1 sip:a 0 0 cc=2", "F:1: attribute cc is \"2\"; write a number from 0 to 1"},
};

static void refuses_with_place_and_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_rows / sizeof *bad_rows; i++) {
        struct bench bench;
        char *fault = NULL, expected[512];
        open_bench(&bench, bad_rows[i].list);
        assert_int_equal(dispatcher_create(&bench.dispatcher, &bench.options, &fault),
                         ERROR_SYNTAX);
        snprintf(expected, sizeof expected, "%s%s", bench.path, bad_rows[i].fault + 1);
        assert_string_equal(fault, expected);
        memory_free_raw(fault);
        close_bench(&bench);
    }
}

static void says_which_file_is_missing(void **state)
{
    struct bench bench;
    char *fault;
    (void)state;
    open_bench(&bench, "");
    bench.files[0] = "/nowhere/dispatcher.list";
    assert_int_equal(dispatcher_create(&bench.dispatcher, &bench.options, &fault), ERROR_NOT_FOUND);
    assert_string_equal(fault, "/nowhere/dispatcher.list: cannot be opened: No such file or "
                               "directory; correct its name or its rights");
    memory_free_raw(fault);
    bench.files[0] = "/tmp";
    assert_int_equal(dispatcher_create(&bench.dispatcher, &bench.options, &fault), ERROR_NOT_FOUND);
    assert_string_equal(fault, "/tmp: not a file; name a file");
    memory_free_raw(fault);
    close_bench(&bench);
}

static void reads_lines_of_the_configuration_too(void **state)
{
    struct bench bench;
    char *fault;
    (void)state;
    open_bench(&bench, "1 sip:10.0.0.1\n");
    bench.options.inline_list =
        TEXT("1 sip:10.0.0.2\n2 sip:10.0.0.3 0 0 duid=x;socket=udp:10.1.0.1:5060");
    start(&bench);
    assert_string_equal(letters(&bench, 1, "sip:10.0.0.1"), "AX");
    assert_string_equal(letters(&bench, 1, "sip:10.0.0.2"), "AX");
    struct dispatcher_destination *destination =
        dispatcher_find(bench.dispatcher, 2, TEXT("X")); /* by its duid */
    assert_int_equal(number_of(destination), 3);
    expect_text(dispatcher_destination_attr(destination, TEXT("socket")), "udp:10.1.0.1:5060");
    assert_false(text_is_set(dispatcher_destination_attr(destination, TEXT("weight"))));
    assert_int_equal(dispatcher_destination_flags(destination), 0);
    memory_release(destination);
    memory_release(bench.dispatcher);
    bench.options.inline_list = TEXT("1");
    assert_int_equal(dispatcher_create(&bench.dispatcher, &bench.options, &fault), ERROR_SYNTAX);
    assert_string_equal(fault, "dispatcher sets:1: no URI behind set \"1\"; a line is: setid uri "
                               "[flags] [priority] [attrs]");
    memory_free_raw(fault);
    bench.dispatcher = NULL;
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_line),
        cmocka_unit_test(skips_what_is_empty),
        cmocka_unit_test(stops_when_told),
        cmocka_unit_test(refuses_with_place_and_remedy),
        cmocka_unit_test(says_which_file_is_missing),
        cmocka_unit_test(reads_lines_of_the_configuration_too),
    };
    return cmocka_run_group_tests_name("dispatcher list", tests, NULL, NULL);
}
