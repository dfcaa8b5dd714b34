/* Four workers select, count, mark and ask while a fifth thread reloads; run under the thread sanitizer. */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>

#define WORKERS 4
#define ROUNDS  3000
#define RELOADS 60

static const char *const lists[] = {
    "1 sip:10.0.0.1 0 0 weight=50\n1 sip:10.0.0.2 0 0 weight=50\n1 sip:10.0.0.3\n",
    "1 sip:10.0.0.3 0 5\n1 sip:10.0.0.1 8 0 rweight=10;cc=1\n1 sip:gw.example\n",
    "1 sip:10.0.0.2 0 0 maxload=3\n2 sip:10.0.0.1\n1 sip:10.0.0.4\n",
};

struct worker {
    pthread_t thread;
    struct bench *bench;
    struct random random;
    unsigned chosen;
};

static _Atomic bool is_over;

static void select_one(struct worker *worker)
{
    static const char *const states[] = {"active", "ip", "trying", "ap"};
    struct dispatcher *dispatcher = worker->bench->dispatcher;
    struct dispatcher_choice *choice;
    const struct dispatcher_query query = {
        .set = 1,
        .algorithm = (enum dispatcher_algorithm)random_below(&worker->random, 14),
        .hash_value = TEXT("key"),
        .random = &worker->random,
    };
    if (dispatcher_select(&choice, dispatcher, &query)) {
        dispatcher_mark(dispatcher, 1, TEXT("all"), TEXT("active"));
        return;
    }
    struct dispatcher_destination *destination = dispatcher_choice_current(choice);
    void *token = dispatcher_load_token(destination);
    worker->chosen++;
    dispatcher_ping_result(dispatcher, destination, random_below(&worker->random, 8) ? 200 : 408,
                           random_below(&worker->random, 50));
    struct text uri = dispatcher_destination_uri(destination);
    dispatcher_mark(dispatcher, 1, uri, text_of(states[random_below(&worker->random, 4)]));
    if (dispatcher_destination_is_name(destination)) {
        struct address address;
        address_parse(&address, TEXT("192.0.2.1"), 0);
        dispatcher_destination_set_addresses(dispatcher, destination, &address,
                                             random_below(&worker->random, 2));
    }
    dispatcher_choice_next(choice);
    memory_release(choice);
    memory_release(token);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct address source;
    address_parse(&source, TEXT("10.0.0.1:5060"), 0);
    for (uint64_t i = 0; i < ROUNDS || !is_over; i++) {
        select_one(worker);
        dispatcher_is_from(worker->bench->dispatcher, 0, &source);
        memory_release(dispatcher_ping_due(worker->bench->dispatcher, i * 100));
    }
    return NULL;
}

static void workers_select_while_the_list_is_reloaded(void **state)
{
    struct bench bench;
    struct worker workers[WORKERS];
    (void)state;
    open_and_start(&bench, lists[0]);
    is_over = false;
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.bench = &bench};
        random_seed(&workers[i].random, i);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < RELOADS; i++)
        reload(&bench, lists[i % 3]);
    is_over = true;
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_true(workers[i].chosen > 0);
    }
    reload(&bench, lists[0]);
    for (unsigned n = 1; n <= 3; n++) {
        char uri[32];
        snprintf(uri, sizeof uri, "sip:10.0.0.%u", n);
        struct dispatcher_destination *destination =
            dispatcher_find(bench.dispatcher, 1, text_of(uri));
        assert_int_equal(dispatcher_destination_calls(destination), 0);
        memory_release(destination);
    }
    close_bench(&bench);
}

/* Turns taken by four threads are the turns of one. */
static void *turn(void *arg)
{
    struct worker *worker = arg;
    for (unsigned i = 0; i < ROUNDS; i++)
        worker->chosen += pick_by(worker->bench, DISPATCHER_WEIGHT) == 1;
    return NULL;
}

static void turns_of_all_workers_add_up(void **state)
{
    struct bench bench;
    struct worker workers[WORKERS];
    unsigned chosen = 0;
    (void)state;
    open_and_start(&bench, "1 sip:10.0.0.1 0 0 weight=30\n1 sip:10.0.0.2 0 0 weight=70\n");
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.bench = &bench};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, turn, &workers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        chosen += workers[i].chosen;
    }
    assert_int_equal(chosen, WORKERS * ROUNDS * 30 / 100);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_select_while_the_list_is_reloaded),
        cmocka_unit_test(turns_of_all_workers_add_up),
    };
    return cmocka_run_group_tests_name("dispatcher threads", tests, NULL, NULL);
}
