/* Dispatcher lists and address files: any bytes are either read or refused with a fault. */
#include "base/memory.h"
#include "base/source_list.h"
#include "dispatcher/dispatcher.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static void expect(bool holds)
{
    if (!holds)
        abort();
}

/* Whatever was read can be used. */
static void use(void *arg, struct dispatcher_destination *destination)
{
    struct dispatcher *dispatcher = arg;
    struct dispatcher_choice *choice;
    struct dispatcher_query query = {.set = dispatcher_destination_set(destination)};
    struct dispatcher_destination *same =
        dispatcher_find(dispatcher, query.set, dispatcher_destination_uri(destination));
    expect(same != NULL);
    memory_release(same);
    for (unsigned algorithm = 0; algorithm <= DISPATCHER_LATENCY; algorithm++) {
        query.algorithm = (enum dispatcher_algorithm)algorithm;
        if (dispatcher_select(&choice, dispatcher, &query))
            continue;
        while (dispatcher_choice_next(choice))
            ;
        memory_release(choice);
    }
}

static void read_dispatcher_list(struct text list)
{
    struct dispatcher *dispatcher;
    char *fault;
    const struct dispatcher_options options = {.inline_list = list};
    if (dispatcher_create(&dispatcher, &options, &fault)) {
        expect(fault != NULL);
        memory_free_raw(fault);
        return;
    }
    if (list.n < 2000) /* quadratic in the number of lines */
        dispatcher_for_each(dispatcher, use, dispatcher);
    expect(dispatcher_reload(dispatcher, NULL, &fault) == 0);
    memory_release(dispatcher);
}

static void read_address_file(struct text rows)
{
    struct source_list *list;
    struct source_match match;
    struct address source;
    char *fault;
    expect(source_list_create(&list) == 0);
    if (source_list_parse(list, rows, "file", &fault)) {
        expect(fault != NULL);
        memory_free_raw(fault);
    }
    address_parse(&source, TEXT("10.0.0.1:5060"), 0);
    source_list_find(list, TEXT_NONE, &source, &match);
    memory_release(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    const struct text t = {(const char *)bytes, size_bytes};
    uint64_t live = memory_live();
    read_dispatcher_list(t);
    read_address_file(t);
    expect(memory_live() == live);
    return 0;
}
