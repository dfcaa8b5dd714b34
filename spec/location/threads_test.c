/*
 * Four workers register, look up and remove on the same few addresses while a fifth thread ends what
 * expires and a sixth walks; run under the thread sanitizer. Observers keep a copy by version: at the
 * end it is what the store holds.
 */
#include "bench.h"

#include "base/random.h"

#include <pthread.h>
#include <stdatomic.h>

#define WORKERS 4
#define ROUNDS  2000
#define AORS    16

static _Atomic uint64_t clock_ms = START_MS;
static _Atomic bool is_over;

/** The copy: the newest record of each address. */
static struct {
    pthread_mutex_t mutex;
    uint64_t version;
    struct location_record *record; /* reference */
} copies[AORS];

struct worker {
    pthread_t thread;
    struct bench *bench;
    struct random random;
    struct counters counters;
    unsigned number, saved, found;
};

/* The number in front of an AoR "17@b", which ends without a NUL. */
static unsigned number_of(struct text aor)
{
    uint32_t number = 0;
    assert_int_equal(text_to_u32(text_split(&aor, '@'), &number), 0);
    return number;
}

static void copy_newest(void *arg, const struct location_changes *changes)
{
    unsigned i = number_of(changes->aor);
    (void)arg;
    pthread_mutex_lock(&copies[i].mutex);
    if (changes->version > copies[i].version) {
        copies[i].version = changes->version;
        memory_release(copies[i].record);
        copies[i].record = memory_ref((void *)changes->record);
    }
    pthread_mutex_unlock(&copies[i].mutex);
}

static void register_once(struct worker *worker, const char *aor, uint32_t cseq)
{
    char contacts[128], call_id[32];
    struct contact v[2];
    struct location_result result;
    struct location_request request = {
        .aor = text_of(aor), .cseq = cseq, .now_ms = clock_ms, .counters = &worker->counters};
    snprintf(call_id, sizeof call_id, "call-%u", worker->number);
    request.call_id = text_of(call_id);
    snprintf(contacts, sizeof contacts, "<sip:w%u@b>;expires=%u,<sip:x%u@b>;expires=60",
             worker->number, random_below(&worker->random, 3) * 60, worker->number);
    request.contact_count = read_contacts(contacts, v, 2);
    request.contacts = v;
    int error = location_save(worker->bench->location, &request, &result);
    assert_true(error == 0 || error == ERROR_LIMIT || error == ERROR_STATE);
    worker->saved += error == 0;
    memory_release(result.record);
}

static void look_up_once(struct worker *worker, const char *aor)
{
    struct location_found *found;
    const struct location_query query = {.aor = text_of(aor), .now_ms = clock_ms};
    if (location_lookup(&found, worker->bench->location, &query))
        return;
    for (size_t i = 0; i < found->count; i++)
        worker->found += found->v[i].binding->contact.p[0] == 's';
    memory_release(found);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    char aor[16];
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        snprintf(aor, sizeof aor, "%u@b", random_below(&worker->random, AORS));
        register_once(worker, aor, i);
        look_up_once(worker, aor);
        if (random_below(&worker->random, 8) == 0)
            location_remove(worker->bench->location, text_of(aor), TEXT_NONE, clock_ms, NULL);
        if (random_below(&worker->random, 64) == 0)
            clock_ms += 20000;
    }
    return NULL;
}

static void *tick(void *arg)
{
    struct worker *worker = arg;
    while (!is_over)
        location_tick(worker->bench->location, clock_ms, &worker->counters, NULL);
    return NULL;
}

static void *walk(void *arg)
{
    struct worker *worker = arg;
    while (!is_over) {
        struct location_cursor cursor = {0};
        struct location_record *v[4];
        for (size_t n; (n = location_walk(worker->bench->location, &cursor, v, 4)) > 0;)
            for (size_t i = 0; i < n; i++) {
                worker->found += location_record_count(v[i]) > 0;
                memory_release(v[i]);
            }
    }
    return NULL;
}

/* The copy of each address is the record in force. */
static void expect_copies(struct bench *bench)
{
    struct location_state now;
    size_t aors = 0, bindings = 0;
    for (unsigned i = 0; i < AORS; i++) {
        char aor[16];
        snprintf(aor, sizeof aor, "%u@b", i);
        struct location_record *record = location_find(bench->location, text_of(aor));
        assert_ptr_equal(record, copies[i].record);
        aors += record != NULL;
        bindings += record ? location_record_count(record) : 0;
        memory_release(record);
        copies[i].record = memory_release(copies[i].record);
    }
    location_get_state(bench->location, &now);
    assert_int_equal(now.aors, aors);
    assert_int_equal(now.bindings, bindings);
}

static void workers_share_the_store(void **state)
{
    static void *(*const tasks[WORKERS + 2])(void *) = {work, work, work, work, tick, walk};
    static struct worker workers[WORKERS + 2];
    struct bench bench;
    (void)state;
    open_bench(&bench);
    bench.settings.location_aors = AORS - 1; /* now and then one too many */
    memory_release(bench.location);
    const struct location_options options = {&bench.settings, {1, 2}, START_MS};
    assert_int_equal(location_create(&bench.location, &options), 0);
    assert_int_equal(location_observe(bench.location, copy_newest, NULL), 0);
    for (unsigned i = 0; i < AORS; i++)
        pthread_mutex_init(&copies[i].mutex, NULL);
    for (unsigned i = 0; i < WORKERS + 2; i++) {
        workers[i] = (struct worker){.bench = &bench, .number = i};
        random_seed(&workers[i].random, i);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, tasks[i], &workers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS + 2; i++) {
        if (i == WORKERS)
            is_over = true;
        pthread_join(workers[i].thread, NULL);
        assert_true(i >= WORKERS || workers[i].saved > 0);
    }
    expect_copies(&bench);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_share_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
