/* One entry per call, by Call-ID; each has a timer that every message of the call restarts. */
#include "worker/adopted.h"

#include "base/error.h"
#include "base/list.h"
#include "base/memory.h"

struct entry {
    struct hash_link link;
    struct link all;
    struct timer timer;
    struct adopted *adopted; /* holder */
    uint64_t branch; /* hash of the INVITE's: the ACK to a 2xx has another (RFC 3261 s13.2.2.4) */
    unsigned owner;
    bool is_answered;
    size_t call_id_bytes;
    char call_id[];
};

struct adopted {
    struct worker *worker; /* borrowed: holds this */
    struct hash_table by_call_id;
    struct list all;
};

static struct timers *timers_of(const struct adopted *adopted)
{
    return loop_timers(worker_loop(adopted->worker));
}

static void forget(void *arg)
{
    struct entry *entry = arg;
    timer_stop(timers_of(entry->adopted), &entry->timer);
    hash_remove(&entry->link);
    list_remove(&entry->all);
    memory_free_raw(entry);
}

static void destroy(void *arg)
{
    struct adopted *adopted = arg;
    LIST_FOR_EACH_SAFE (link, &adopted->all)
        forget(CONTAINER_OF(link, struct entry, all));
    hash_table_release(&adopted->by_call_id);
}

int adopted_create(struct adopted **adoptedp, struct worker *worker)
{
    struct adopted *adopted = memory_alloc(sizeof *adopted, destroy);
    if (!adopted)
        return ERROR_MEMORY;
    adopted->worker = worker;
    *adoptedp = adopted;
    return 0;
}

static const struct hash_key *key_of(const struct adopted *adopted)
{
    return &worker_get_options(adopted->worker)->hash_key;
}

static bool has_call_id(const struct hash_link *link, const void *key)
{
    const struct entry *entry = CONTAINER_OF(link, struct entry, link);
    return text_equal((struct text){entry->call_id, entry->call_id_bytes},
                      *(const struct text *)key);
}

static struct entry *find(const struct adopted *adopted, struct text call_id)
{
    if (!adopted->all.count)
        return NULL;
    struct hash_link *link =
        hash_find(&adopted->by_call_id, hash_text(key_of(adopted), call_id), has_call_id, &call_id);
    return link ? CONTAINER_OF(link, struct entry, link) : NULL;
}

static uint64_t branch_of(const struct adopted *adopted, struct message *message)
{
    const struct via *via = message_via(message);
    return hash_text(key_of(adopted), via ? via->branch : TEXT_NONE);
}

/* A call that is not answered has ended, at the latest, when nobody would ring any longer. */
static void touch(struct entry *entry)
{
    const struct settings *settings = proxy_settings(worker_proxy(entry->adopted->worker));
    uint64_t ringing_ms = settings->timers_c_ms + 64 * settings->timers_t1_ms;
    timer_start(timers_of(entry->adopted), &entry->timer,
                entry->is_answered ? settings->limits_dialog_idle_s * 1000 : ringing_ms, forget,
                entry);
}

static struct entry *add(struct adopted *adopted, struct message *invite, unsigned owner)
{
    const struct settings *settings = proxy_settings(worker_proxy(adopted->worker));
    struct text call_id = invite->call_id;
    if (adopted->all.count >= settings->limits_dialogs) {
        counter_count(worker_counters(adopted->worker), COUNTER_DIALOG_LIMIT);
        return NULL;
    }
    struct entry *entry = memory_raw(sizeof *entry + call_id.n);
    if (!entry)
        return NULL;
    *entry = (struct entry){
        .adopted = adopted,
        .owner = owner,
        .branch = branch_of(adopted, invite),
        .call_id_bytes = call_id.n,
    };
    memcpy(entry->call_id, call_id.p, call_id.n);
    if (hash_insert(&adopted->by_call_id, &entry->link, hash_text(key_of(adopted), call_id))) {
        memory_free_raw(entry);
        return NULL;
    }
    list_append(&adopted->all, &entry->all);
    return entry;
}

/* It came back to us: its responses are awaited by the worker of its Call-ID. */
static bool is_ours(const struct adopted *adopted, struct message *message)
{
    const struct via *via = message_via(message);
    return via &&
           transport_own(proxy_transport(worker_proxy(adopted->worker)), via->host, via->port);
}

/* The worker of the call that an INVITE is to replace a party of. */
static unsigned owner_of_replaced(const struct adopted *adopted, struct message *message)
{
    const struct worker_options *options = worker_get_options(adopted->worker);
    const struct header *replaces = message->is_request && message->method == METHOD_INVITE
                                        ? message_header(message, HEADER_REPLACES)
                                        : NULL;
    if (!replaces || message_to_tag(message).n || is_ours(adopted, message))
        return options->index;
    struct text value = replaces->value, call_id = text_trim(text_split(&value, ';'));
    return worker_owner(options, call_id);
}

unsigned adopted_owner(struct adopted *adopted, struct message *message)
{
    unsigned here = worker_get_options(adopted->worker)->index;
    struct entry *entry = find(adopted, message->call_id);
    if (!entry) {
        unsigned owner = owner_of_replaced(adopted, message);
        entry = owner == here ? NULL : add(adopted, message, owner);
    }
    if (!entry)
        return here;
    if (message->is_request && message->method == METHOD_ACK &&
        branch_of(adopted, message) != entry->branch)
        entry->is_answered = true;
    touch(entry);
    return entry->owner;
}
