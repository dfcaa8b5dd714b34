/* A store of its own for each test, and REGISTERs in few words; for the specs beside it. */
#pragma once

#include "base/error.h"
#include "base/memory.h"
#include "location/location.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define START_MS 1700000000000u
#define ALICE    "alice@example.com"

#define assert_text(actual, expected)                                                              \
    do {                                                                                           \
        struct text actual_ = (actual);                                                            \
        assert_non_null(actual_.p);                                                                \
        assert_int_equal(actual_.n, strlen(expected));                                             \
        assert_memory_equal(actual_.p, expected, actual_.n);                                       \
    } while (0)

/** What one test looks at. */
struct bench {
    uint64_t live_before;
    struct settings settings;
    struct counters counters;
    struct location *location;
    struct location_result result; /**< of the last save */
    uint64_t now_ms;
    char told[2048]; /**< by the observer: "inserted sip:a@1 \n" and so on */
};

static inline void hear(void *arg, const struct location_changes *changes)
{
    struct bench *bench = arg;
    size_t n = strlen(bench->told);
    for (size_t i = 0; i < changes->count; i++)
        n += (size_t)snprintf(bench->told + n, sizeof bench->told - n, "%s %.*s|",
                              location_change_name(changes->v[i].kind),
                              TEXT_ARG(changes->v[i].binding->contact));
}

static inline void open_bench(struct bench *bench)
{
    *bench = (struct bench){.live_before = memory_live(), .now_ms = START_MS};
    settings_default(&bench->settings);
    const struct location_options options = {
        .settings = &bench->settings, .hash_key = {1, 2}, .start_ms = START_MS};
    assert_int_equal(location_create(&bench->location, &options), 0);
    assert_int_equal(location_observe(bench->location, hear, bench), 0);
}

static inline void close_bench(struct bench *bench)
{
    memory_release(bench->result.record);
    memory_release(bench->location);
    assert_int_equal(memory_live(), bench->live_before);
}

/** Contact header values, comma-joined, into @p v. @return how many */
static inline size_t read_contacts(const char *value, struct contact *v, size_t room)
{
    struct text rest = text_of(value), element;
    size_t count = 0;
    while (text_is_set(element = name_addr_split(&rest))) {
        assert_true(count < room);
        assert_int_equal(contact_parse(&v[count++], element), 0);
    }
    return count;
}

/** A request that is complete but for its contacts. */
static inline struct location_request request_of(struct bench *bench, const char *call_id,
                                                 uint32_t cseq)
{
    return (struct location_request){
        .aor = TEXT(ALICE),
        .call_id = text_of(call_id),
        .cseq = cseq,
        .now_ms = bench->now_ms,
        .counters = &bench->counters,
    };
}

/** Save; the result stays in the bench. @return the status */
static inline unsigned save(struct bench *bench, const struct location_request *request)
{
    memory_release(bench->result.record);
    bench->told[0] = '\0';
    int error = location_save(bench->location, request, &bench->result);
    assert_true((error == 0) == (bench->result.status == 200));
    assert_true(error == 0 || bench->result.record == NULL);
    return bench->result.status;
}

/** REGISTER of ALICE with these Contact values. @return the status */
static inline unsigned put(struct bench *bench, const char *call_id, uint32_t cseq,
                           const char *contacts)
{
    struct contact v[16];
    struct location_request request = request_of(bench, call_id, cseq);
    request.contacts = v;
    request.contact_count = read_contacts(contacts, v, 16);
    return save(bench, &request);
}

/** What a lookup finds, "sip:a@1 sip:b@2 "; an alternative has a "+" in front. */
static inline void expect_found(struct bench *bench, const struct location_query *query,
                                const char *expected)
{
    struct location_found *found;
    char text[1024] = "";
    int error = location_lookup(&found, bench->location, query);
    assert_true((error == 0) == (found != NULL));
    for (size_t i = 0; found && i < found->count; i++)
        sprintf(text + strlen(text), "%s%.*s ", found->v[i].is_alternative ? "+" : "",
                TEXT_ARG(found->v[i].binding->contact));
    memory_release(found);
    assert_string_equal(text, expected);
}

/** Of ALICE. */
static inline void expect_bound(struct bench *bench, const char *expected)
{
    const struct location_query query = {.aor = TEXT(ALICE), .now_ms = bench->now_ms};
    expect_found(bench, &query, expected);
}

/** Its only binding; lives as long as the result. */
static inline const struct location_binding *only(const struct bench *bench)
{
    assert_non_null(bench->result.record);
    assert_int_equal(location_record_count(bench->result.record), 1);
    return location_record_at(bench->result.record, 0);
}

static inline uint64_t counted(const struct bench *bench, enum counter counter)
{
    return counter_read(&bench->counters, counter);
}
