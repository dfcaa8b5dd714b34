/* URLs, placeholders in every corner of SQL, and the table of texts. */
#include "bench.h"

#include "base/buffer.h"

static void spells(const struct database_operations *kind, const char *sql, size_t count,
                   const char *expected)
{
    struct buffer out = {0};
    assert_int_equal(statement_spell(kind, text_of(sql), &out), count);
    buffer_append_char(&out, 0);
    assert_string_equal(out.p, expected);
    buffer_release(&out);
}

static void finds_placeholders(void **state)
{
    (void)state;
    const struct database_operations *postgres = &database_postgres, *mysql = &database_mysql;
    spells(postgres, "SELECT a FROM b WHERE c = ? AND d = ?", 2,
           "SELECT a FROM b WHERE c = $1 AND d = $2");
    spells(mysql, "SELECT ?, ?", 2, "SELECT ?, ?");
    spells(postgres, "SELECT '?', \"?\", ?", 1, "SELECT '?', \"?\", $1");
    spells(postgres, "SELECT 'it''s ?' || ?", 1, "SELECT 'it''s ?' || $1");
    spells(postgres, "SELECT 'a\\' || ?", 1, "SELECT 'a\\' || $1");
    spells(postgres, "SELECT E'a\\'?' || ?", 1, "SELECT E'a\\'?' || $1");
    spells(mysql, "SELECT 'a\\'?', `?`, ?", 1, "SELECT 'a\\'?', `?`, ?");
    spells(postgres, "SELECT ? -- why?\n, ?", 2, "SELECT $1 -- why?\n, $2");
    spells(postgres, "SELECT /* ? */ ?", 1, "SELECT /* ? */ $1");
    spells(postgres, "SELECT $tag$ ? $$ $tag$, $$?$$, ?", 1, "SELECT $tag$ ? $$ $tag$, $$?$$, $1");
    spells(postgres, "SELECT 'never ends ?", 0, "SELECT 'never ends ?");
    spells(postgres, "", 0, "");
    spells(&database_sqlite, "?", 1, "?");
}

static void knows_each_text_once(void **state)
{
    (void)state;
    uint64_t live = memory_live();
    struct statements statements;
    struct statement *one, *two, *three;
    unsigned forgotten = 0;
    statements_init(&statements, &database_sqlite, &(struct hash_key){1, 2}, 2);
    assert_int_equal(statements_get(&statements, TEXT("SELECT ?"), &one, &forgotten), 0);
    assert_int_equal(statements_get(&statements, TEXT("SELECT ?"), &two, &forgotten), 0);
    assert_ptr_equal(one, two);
    assert_int_equal(one->placeholders, 1);
    memory_release(two);
    /* Two fit: with the third, the one that was not asked for longest goes, and gets a new id. */
    assert_int_equal(statements_get(&statements, TEXT("SELECT 2"), &two, &forgotten), 0);
    assert_int_equal(statements_get(&statements, TEXT("SELECT 3"), &three, &forgotten), 0);
    memory_release(two);
    memory_release(three);
    assert_int_equal(statements_get(&statements, TEXT("SELECT ?"), &two, &forgotten), 0);
    assert_int_not_equal(one->id, two->id);
    assert_int_equal(forgotten, 2);
    memory_release(one);
    memory_release(two);
    statements_release(&statements);
    assert_int_equal(memory_live(), live);
}

static void refuses_transactions(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "BEGIN", " commit", "Rollback TO x", "START TRANSACTION", "savepoint a", ""};
    struct statements statements;
    struct statement *statement;
    unsigned forgotten = 0;
    statements_init(&statements, &database_sqlite, &(struct hash_key){1, 2}, 2);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(statements_get(&statements, text_of(texts[i]), &statement, &forgotten),
                         ERROR_ARGUMENT);
    assert_int_equal(statements_get(&statements, TEXT("SELECT\0 1"), &statement, &forgotten),
                     ERROR_ARGUMENT);
    assert_int_equal(statements_get(&statements, TEXT("beginning"), &statement, &forgotten), 0);
    memory_release(statement);
    statements_release(&statements);
}

static void needs_memory(void **state)
{
    (void)state;
    uint64_t live = memory_live();
    int error = ERROR_MEMORY;
    for (uint64_t n = 0; error; n++) {
        struct statements statements;
        struct statement *statement = NULL;
        unsigned forgotten = 0;
        statements_init(&statements, &database_postgres, &(struct hash_key){1, 2}, 2);
        memory_fail_after(n);
        error = statements_get(&statements, TEXT("SELECT ?"), &statement, &forgotten);
        memory_fail_never();
        assert_true(error == 0 || error == ERROR_MEMORY);
        memory_release(statement);
        statements_release(&statements);
        assert_int_equal(memory_live(), live);
    }
}

static void reads_urls(void **state)
{
    (void)state;
    struct database_url *url;
    const char *problem;
    assert_int_equal(database_url_parse(&url,
                                        "postgres://kam%40ilio:p@ss%3aword@[2001:db8::1]:5433/sip"
                                        "?tls=verify&ca=/etc/ca.pem&socket=%2frun",
                                        &problem),
                     0);
    assert_ptr_equal(url->operations, &database_postgres);
    assert_string_equal(url->user, "kam@ilio");
    assert_string_equal(url->password, "p@ss:word");
    assert_string_equal(url->host, "2001:db8::1");
    assert_int_equal(url->port, 5433);
    assert_string_equal(url->name, "sip");
    assert_int_equal(url->tls, DATABASE_TLS_VERIFY);
    assert_string_equal(url->ca, "/etc/ca.pem");
    assert_string_equal(url->socket, "/run");
    assert_null(url->key);
    assert_null(strstr(url->shown, "ss:word"));
    assert_null(strstr(url->shown, "kam"));
    memory_release(url);
    assert_int_equal(database_url_parse(&url, "mariadb://localhost/sip", &problem), 0);
    assert_ptr_equal(url->operations, &database_mysql);
    assert_null(url->user);
    assert_string_equal(url->shown, "mysql://localhost/sip");
    memory_release(url);
    assert_int_equal(database_url_parse(&url, "sqlite:///var/lib/x.db", &problem), 0);
    assert_string_equal(url->name, "/var/lib/x.db");
    memory_release(url);
}

static void refuses_other_urls(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "postgres",
                                        "oracle://host/name",
                                        "postgres:host/name",
                                        "postgres://host",
                                        "postgres://host/",
                                        "postgres://host:0/name",
                                        "postgres://host:65536/name",
                                        "postgres://host:x/name",
                                        "postgres://[::1]5432/name",
                                        "mysql://host/na%0",
                                        "mysql://host/na%00me",
                                        "mysql://host/na%zzme",
                                        "mysql://host/name?tls=maybe",
                                        "mysql://host/name?color=red",
                                        "sqlite:"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *problem = NULL;
        if (database_check_url(wrong[i], &problem) != ERROR_ARGUMENT)
            fail_msg("taken: %s", wrong[i]);
        assert_non_null(problem);
    }
    char *longest = malloc(4096);
    snprintf(longest, 4096, "sqlite:%04000d", 0);
    const char *problem = NULL;
    assert_int_equal(database_check_url(longest, &problem), ERROR_ARGUMENT);
    free(longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_placeholders),   cmocka_unit_test(knows_each_text_once),
        cmocka_unit_test(refuses_transactions), cmocka_unit_test(needs_memory),
        cmocka_unit_test(reads_urls),           cmocka_unit_test(refuses_other_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
