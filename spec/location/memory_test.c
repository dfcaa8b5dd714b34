/*
 * What a binding costs: bytes, and the time of a save, a refresh and a lookup. The number of
 * bindings is the first argument (1000000 for the figure of the README); `make test` takes a few.
 * Times are printed, never asserted; memory is asserted in builds whose allocator is the real one.
 */
#include "bench.h"

#include <time.h>
#include <unistd.h>

#define FEW             20000u
#define MANY            100000u /* from here on what the process had before does not matter */
#define BYTES_MAX       1200
#define GOLDEN_RATIO_32 2654435761u

static unsigned bindings = FEW;

static uint64_t resident_bytes(void)
{
    unsigned long long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%llu %llu", &size, &resident), 2);
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Of this process: what else the machine does is not counted. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void say(const char *what, uint64_t value, const char *unit)
{
    if (bindings != FEW)
        fprintf(stderr, "%9u bindings: %-28s %6llu %s\n", bindings, what, (unsigned long long)value,
                unit);
}

/*
 * One REGISTER: AoR of 30 bytes, contact of 60, Call-ID of 40, User-Agent of 40, and what else a phone
 * brings. @p location NULL: only the work around it, to be taken off.
 */
static void register_one(struct bench *bench, struct location *location, unsigned i, uint32_t cseq)
{
    char aor[64], contact[160], call_id[64];
    struct contact v[1];
    struct location_result result;
    struct location_request request = {.cseq = cseq, .now_ms = bench->now_ms + i / 1000};
    snprintf(aor, sizeof aor, "%010u@telephony.example.com", i);
    snprintf(call_id, sizeof call_id, "%031u@10.0.0.1", i * GOLDEN_RATIO_32);
    snprintf(contact, sizeof contact,
             "<sip:%010u@192.168.100.%03u:50600;transport=udp;ob;line=x>"
             ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-%012u>\"",
             i, i % 250, i);
    request.aor = text_of(aor);
    request.call_id = text_of(call_id);
    request.user_agent = TEXT("Telephone Maker Model-100 firmware 1.2.34");
    request.received = TEXT("sip:203.0.113.100:40000;transport=udp");
    request.socket = TEXT("udp:198.51.100.10:5060");
    request.contact_count = read_contacts(contact, v, 1);
    request.contacts = v;
    if (!location)
        return;
    if (location_save(location, &request, &result))
        fail_msg("%u: %u %s", i, result.status, result.reason);
    memory_release(result.record);
}

static uint64_t register_all(struct bench *bench, struct location *location, uint32_t cseq)
{
    uint64_t begin = cpu_ns();
    for (unsigned i = 0; i < bindings; i++)
        register_one(bench, location, i, cseq);
    return (cpu_ns() - begin) / bindings;
}

static uint64_t look_up_all(struct bench *bench, struct location *location)
{
    uint64_t begin = cpu_ns();
    for (unsigned i = 0; i < bindings; i++) {
        char aor[64];
        struct location_found *found;
        snprintf(aor, sizeof aor, "%010u@telephony.example.com",
                 (unsigned)((uint64_t)i * GOLDEN_RATIO_32 % bindings));
        const struct location_query query = {.aor = text_of(aor), .now_ms = bench->now_ms};
        if (!location)
            continue;
        assert_int_equal(location_lookup(&found, location, &query), 0);
        memory_release(found);
    }
    return (cpu_ns() - begin) / bindings;
}

/* A clock of this granularity may show the work around as more than the whole. */
static uint64_t less(uint64_t whole, uint64_t around)
{
    return whole > around ? whole - around : 0;
}

static void measures_memory_and_time(void **state)
{
    struct bench bench;
    (void)state;
    open_bench(&bench);
    bench.settings.location_aors = bindings;
    uint64_t around = register_all(&bench, NULL, 0);
    uint64_t before = resident_bytes();
    say("save", less(register_all(&bench, bench.location, 1), around), "ns of CPU");
    uint64_t each = (resident_bytes() - before) / bindings;
    say("memory of each", each, "bytes");
    say("refresh", less(register_all(&bench, bench.location, 2), around), "ns of CPU");
    say("memory of each afterwards", (resident_bytes() - before) / bindings, "bytes");
    around = look_up_all(&bench, NULL);
    say("lookup", less(look_up_all(&bench, bench.location), around), "ns of CPU");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(bindings < MANY || each <= BYTES_MAX);
#endif
    bench.now_ms += 7200000;
    uint64_t begin = cpu_ns();
    while (location_tick(bench.location, bench.now_ms, &bench.counters, NULL))
        ;
    say("expiry", (cpu_ns() - begin) / bindings, "ns of CPU");
    assert_int_equal(counted(&bench, COUNTER_LOCATION_EXPIRED), bindings);
    close_bench(&bench);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_memory_and_time),
    };
    if (argc > 1 && atoi(argv[1]) > 0)
        bindings = (unsigned)atoi(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
