/* Private to this folder: a resolver's question in progress, and the walk over what is known. */
#pragma once

#include "transport/name_cache.h"
#include "transport/transport.h"

#define QUERY_NAMES_MAX 48u /* names asked for one URI: bounds what an answer can make us ask */
#define RESOLVE_WAITING 1   /* of a walk: do it again when the answers are there */

struct resolver {
    struct resolve_options options;
    struct name_cache *cache; /* owned */
    struct list queries;      /* those that wait; one reference each */
};

/* One name that a query has asked for. */
struct asked {
    struct resolve_query *query;
    struct name_entry *entry; /* reference */
    struct name_waiter waiter;
};

struct resolve_query {
    struct link link;
    struct resolver *resolver;
    resolve_uri_handler *handler;
    void *arg;
    bool is_secure, has_kind;
    enum transport_kind kind; /* with has_kind */
    uint16_t port;            /* 0: not in the URI */
    unsigned waiting;         /* names not answered yet */
    int error;                /* of this walk: what went wrong on the way */
    size_t asked_count;
    struct asked asked[QUERY_NAMES_MAX];
    void (*answered)(struct name_waiter *waiter);
    struct text host; /* follows the struct */
};

/**
 * Find the targets of a query in the names known so far, asking for those that are missing.
 * @param answered  for the names that must be waited for; each lowers query->waiting
 * @return 0 with targets, RESOLVE_WAITING, or the error that the query ends with
 */
int resolve_walk(struct resolve_query *query, struct resolve_targets *targets,
                 void (*answered)(struct name_waiter *waiter));
/** Have we a listener of that kind? */
bool resolve_can_send(const struct resolver *resolver, enum transport_kind kind);
/** Append one target; nothing happens when there are RESOLVE_TARGETS_MAX. */
void resolve_add_target(struct resolve_targets *targets, const struct address *address,
                        enum transport_kind kind, uint16_t port, uint32_t ttl_s);
