/* Questions: what a URI says, the answer at once or later, cancelling (RFC 3263 s4.1). */
#include "transport/resolve.h"

#include "base/error.h"
#include "base/memory.h"
#include "transport/resolve_query.h"

/* ---- what the URI says ---- */

static struct text target_host(const struct uri *uri)
{
    struct text maddr = uri->params.n ? uri_param(uri, TEXT("maddr")) : TEXT_NONE;
    return maddr.n ? maddr : uri->host;
}

static enum transport_kind secure_kind(enum transport_kind kind)
{
    return kind == TRANSPORT_WS || kind == TRANSPORT_WSS ? TRANSPORT_WSS : TRANSPORT_TLS;
}

/* RFC 3263 s4.1: the transport parameter; else, for a number or a port, the scheme's default. */
static int choose_kind(const struct uri *uri, bool is_fixed, enum transport_kind *kind,
                       bool *has_kind)
{
    struct text name = uri->params.n ? uri_param(uri, TEXT("transport")) : TEXT_NONE;
    bool is_secure = uri->scheme == URI_SIPS;
    *kind = is_secure ? TRANSPORT_TLS : TRANSPORT_UDP;
    *has_kind = is_fixed || name.n;
    if (name.n && transport_kind_parse(kind, name))
        return ERROR_UNSUPPORTED;
    if (name.n && is_secure)
        *kind = secure_kind(*kind);
    return 0;
}

/* ---- queries ---- */

static void query_destroy(void *object)
{
    struct resolve_query *query = object;
    for (size_t i = 0; i < query->asked_count; i++) {
        list_remove(&query->asked[i].waiter.link);
        memory_release(query->asked[i].entry);
    }
}

static void on_answered(struct name_waiter *waiter)
{
    struct resolve_query *query = CONTAINER_OF(waiter, struct asked, waiter)->query;
    struct resolve_targets targets;
    if (--query->waiting)
        return;
    int error = resolve_walk(query, &targets, on_answered);
    if (error == RESOLVE_WAITING)
        return;
    list_remove(&query->link);
    query->handler(query->arg, error, targets.v, error ? 0 : targets.count);
    memory_release(query);
}

void resolve_cancel(struct resolve_query *query)
{
    if (!query)
        return;
    list_remove(&query->link);
    memory_release(query);
}

static int make_query(struct resolve_query **queryp, struct resolver *resolver,
                      const struct uri *uri, struct text host)
{
    struct resolve_query *query = memory_alloc(sizeof *query + host.n, query_destroy);
    if (!query)
        return ERROR_MEMORY;
    memcpy(query + 1, host.p, host.n);
    query->host = (struct text){(char *)(query + 1), host.n};
    query->resolver = resolver;
    query->is_secure = uri->scheme == URI_SIPS;
    query->port = uri->port;
    *queryp = query;
    return 0;
}

static __attribute__((noinline)) int ask_names(struct resolve_query **queryp,
                                               struct resolver *resolver, const struct uri *uri,
                                               struct resolve_targets *now)
{
    struct resolve_query *query;
    int error = make_query(&query, resolver, uri, target_host(uri));
    if (error)
        return error;
    error = choose_kind(uri, uri->port != 0, &query->kind, &query->has_kind);
    if (!error && query->has_kind && !resolve_can_send(resolver, query->kind))
        error = ERROR_UNSUPPORTED;
    if (!error)
        error = resolve_walk(query, now, on_answered);
    if (error == RESOLVE_WAITING) {
        now->count = 0;
        *queryp = query;
        return 0;
    }
    memory_release(query);
    return error;
}

/* The host is a number: there is nothing to ask. */
static int use_number(const struct resolver *resolver, const struct uri *next_hop,
                      const struct address *address, struct resolve_targets *now)
{
    enum transport_kind kind;
    bool has_kind;
    int error = choose_kind(next_hop, true, &kind, &has_kind);
    if (error || !resolve_can_send(resolver, kind))
        return error ? error : ERROR_UNSUPPORTED;
    resolve_add_target(now, address, kind,
                       next_hop->port ? next_hop->port : transport_kind_port(kind), UINT32_MAX);
    return 0;
}

int resolve_uri(struct resolver *resolver, const struct uri *next_hop, struct resolve_targets *now,
                resolve_uri_handler *handler, void *arg, struct resolve_query **queryp)
{
    struct address address;
    struct resolve_query *query = NULL;
    now->count = 0;
    if (queryp)
        *queryp = NULL;
    if ((next_hop->scheme != URI_SIP && next_hop->scheme != URI_SIPS) || !next_hop->host.n)
        return ERROR_ARGUMENT;
    if (!address_parse_host(&address, target_host(next_hop)))
        return use_number(resolver, next_hop, &address, now);
    int error = ask_names(&query, resolver, next_hop, now);
    if (query) {
        query->handler = handler;
        query->arg = arg;
        list_append(&resolver->queries, &query->link);
        if (queryp)
            *queryp = query;
    }
    if (error)
        now->count = 0;
    return error;
}

/* ---- the resolver ---- */

static void resolver_destroy(void *object)
{
    struct resolver *resolver = object;
    while (resolver->queries.first)
        resolve_cancel(CONTAINER_OF(resolver->queries.first, struct resolve_query, link));
    memory_release(resolver->cache);
}

int resolve_create(struct resolver **resolverp, const struct resolve_options *options)
{
    struct resolver *resolver = memory_alloc(sizeof *resolver, resolver_destroy);
    if (!resolver)
        return ERROR_MEMORY;
    resolver->options = *options;
    int error = name_cache_create(&resolver->cache, options);
    if (error)
        memory_release(resolver);
    else
        *resolverp = resolver;
    return error;
}

size_t resolve_count(const struct resolver *resolver)
{
    return name_cache_count(resolver->cache);
}
