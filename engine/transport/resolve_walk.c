/*
 * RFC 3263 s4. One function walks the whole way (NAPTR, SRV, addresses) over the names known so
 * far. Where one is missing it is asked for, and when the answer is there the walk begins anew. So
 * there is no state to keep but the entries already seen; the query holds them, so that a second
 * walk finds them even when their time to live was 0.
 */
#include "base/error.h"
#include "base/memory.h"
#include "transport/resolve_query.h"

#define NAME_BYTES 288u /* a service prefix and the longest name */

bool resolve_can_send(const struct resolver *resolver, enum transport_kind kind)
{
    unsigned kinds = resolver->options.kinds ? resolver->options.kinds : 1u << TRANSPORT_UDP;
    return kinds >> kind & 1u;
}

/* ---- names ---- */

static struct asked *find_asked(struct resolve_query *query, struct text name,
                                enum resolve_type type)
{
    for (size_t i = 0; i < query->asked_count; i++) {
        struct asked *asked = &query->asked[i];
        if (asked->entry->type == type && text_equal_nocase(asked->entry->name, name))
            return asked;
    }
    return NULL;
}

/* The entry of a name; NULL with an error noted, or when it must be waited for. */
static const struct name_entry *need(struct resolve_query *query, struct text name,
                                     enum resolve_type type)
{
    struct asked *asked = find_asked(query, name, type);
    if (!asked) {
        struct name_entry *entry;
        int error = query->asked_count == QUERY_NAMES_MAX
                        ? ERROR_LIMIT
                        : name_cache_get(&entry, query->resolver->cache, name, type);
        if (error) {
            query->error = error;
            return NULL;
        }
        asked = &query->asked[query->asked_count++];
        *asked =
            (struct asked){.query = query, .entry = entry, .waiter = {.answered = query->answered}};
        if (entry->is_pending) {
            name_entry_wait(entry, &asked->waiter);
            query->waiting++;
        }
    }
    if (asked->entry->is_pending)
        return NULL;
    if (asked->entry->error && query->error != ERROR_LIMIT)
        query->error = asked->entry->error;
    return asked->entry;
}

/* ---- the walk ---- */

void resolve_add_target(struct resolve_targets *targets, const struct address *address,
                        enum transport_kind kind, uint16_t port, uint32_t ttl_s)
{
    if (targets->count == RESOLVE_TARGETS_MAX)
        return;
    struct resolve_target *target = &targets->v[targets->count++];
    *target = (struct resolve_target){*address, (uint8_t)kind, ttl_s};
    address_set_port(&target->address, port);
}

static void add_addresses(struct resolve_query *query, struct resolve_targets *targets,
                          struct text host, enum transport_kind kind, uint16_t port)
{
    const struct resolve_options *options = &query->resolver->options;
    bool any = !options->has_ipv4 && !options->has_ipv6;
    const struct name_entry *v[] = {
        any || options->has_ipv4 ? need(query, host, RESOLVE_A) : NULL,
        any || options->has_ipv6 ? need(query, host, RESOLVE_AAAA) : NULL,
    };
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; v[i] && j < v[i]->count; j++)
            resolve_add_target(targets, &v[i]->records[j].address, kind, port, v[i]->ttl_s);
}

/* RFC 3263 s4.2: the servers behind a service name. @return false when there is none */
static bool add_service(struct resolve_query *query, struct resolve_targets *targets,
                        struct text name, enum transport_kind kind)
{
    const struct name_entry *entry = need(query, name, RESOLVE_SRV);
    if (!entry || !entry->count)
        return entry == NULL; /* not known yet: do not try the next possibility */
    srv_order(entry->records, entry->count, query->resolver->options.random);
    for (size_t i = 0; i < entry->count; i++) {
        struct text host = text_of(entry->records[i].name);
        if (host.n && !text_equal(host, TEXT("."))) /* "." says: decidedly not here (RFC 2782) */
            add_addresses(query, targets, host, kind, entry->records[i].port);
    }
    return true;
}

static bool add_default_service(struct resolve_query *query, struct resolve_targets *targets,
                                enum transport_kind kind)
{
    static const char *const prefixes[] = {
        [TRANSPORT_UDP] = "_sip._udp.",  [TRANSPORT_TCP] = "_sip._tcp.",
        [TRANSPORT_TLS] = "_sips._tcp.", [TRANSPORT_WS] = "_sip._ws.",
        [TRANSPORT_WSS] = "_sips._ws.",
    };
    char name[NAME_BYTES];
    struct text prefix = text_of(prefixes[kind]);
    if (prefix.n + query->host.n > sizeof name)
        return false;
    memcpy(name, prefix.p, prefix.n);
    memcpy(name + prefix.n, query->host.p, query->host.n);
    return add_service(query, targets, (struct text){name, prefix.n + query->host.n}, kind);
}

/* What a NAPTR service field means to us. @return false when we cannot use it */
static bool service_kind(const struct resolve_query *query, const char *service,
                         enum transport_kind *kind)
{
    static const struct {
        const char *service;
        enum transport_kind kind;
        bool is_secure;
    } services[] = {
        {"SIP+D2U", TRANSPORT_UDP, false}, {"SIP+D2T", TRANSPORT_TCP, false},
        {"SIPS+D2T", TRANSPORT_TLS, true}, {"SIP+D2W", TRANSPORT_WS, false},
        {"SIPS+D2W", TRANSPORT_WSS, true},
    };
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        if (text_equal_nocase(text_of(service), text_of(services[i].service))) {
            *kind = services[i].kind;
            return resolve_can_send(query->resolver, *kind) &&
                   (services[i].is_secure || !query->is_secure);
        }
    return false;
}

/* Order, then preference (RFC 3403 s4.1), then as they came. */
static uint64_t naptr_rank(const struct name_entry *entry, const struct resolve_record *r)
{
    return (uint64_t)r->priority << 48 | (uint64_t)r->weight << 32 | (uint64_t)(r - entry->records);
}

/* The next one after *last (NULL: the first); NULL at the end. Few records. */
static const struct resolve_record *next_naptr(const struct name_entry *entry,
                                               const struct resolve_record *last)
{
    const struct resolve_record *best = NULL;
    for (size_t i = 0; i < entry->count; i++) {
        const struct resolve_record *r = &entry->records[i];
        if (last && naptr_rank(entry, r) <= naptr_rank(entry, last))
            continue;
        if (!best || naptr_rank(entry, r) < naptr_rank(entry, best))
            best = r;
    }
    return best;
}

/* RFC 3263 s4.1: the domain's own wish. @return false when it has none that we can follow */
static bool add_by_naptr(struct resolve_query *query, struct resolve_targets *targets)
{
    const struct name_entry *entry = need(query, query->host, RESOLVE_NAPTR);
    if (!entry)
        return query->waiting > 0;
    bool found = false;
    enum transport_kind kind;
    for (const struct resolve_record *r = NULL; (r = next_naptr(entry, r));) {
        if (!service_kind(query, r->service, &kind))
            continue;
        if (text_equal_nocase(text_of(r->flags), TEXT("s")))
            found = add_service(query, targets, text_of(r->name), kind) || found;
        else if (text_equal_nocase(text_of(r->flags), TEXT("a"))) {
            add_addresses(query, targets, text_of(r->name), kind, transport_kind_port(kind));
            found = true;
        }
    }
    return found;
}

static void find_targets(struct resolve_query *query, struct resolve_targets *targets)
{
    enum transport_kind kind = query->has_kind    ? query->kind
                               : query->is_secure ? TRANSPORT_TLS
                                                  : TRANSPORT_UDP;
    if (query->port) {
        add_addresses(query, targets, query->host, kind, query->port);
        return;
    }
    if (query->has_kind) {
        if (add_default_service(query, targets, kind))
            return;
    } else {
        if (add_by_naptr(query, targets))
            return;
        for (unsigned k = TRANSPORT_UDP; k <= TRANSPORT_TLS; k++)
            if (resolve_can_send(query->resolver, (enum transport_kind)k) &&
                (!query->is_secure || k == TRANSPORT_TLS) &&
                add_default_service(query, targets, (enum transport_kind)k))
                return;
    }
    add_addresses(query, targets, query->host, kind, transport_kind_port(kind));
}

int resolve_walk(struct resolve_query *query, struct resolve_targets *targets,
                 void (*answered)(struct name_waiter *waiter))
{
    query->answered = answered;
    targets->count = 0;
    query->error = 0;
    find_targets(query, targets);
    if (query->waiting)
        return RESOLVE_WAITING;
    if (targets->count)
        return 0;
    return query->error ? query->error : ERROR_NOT_FOUND;
}
