/*
 * The two legs of a call and the forks between them: found by what a request carries, and what it
 * takes to send a request of our own on either (RFC 3261 s12.1, s12.2.1.1).
 */
#include "route/bridge_parts.h"

/* ---- the table ---- */

/*
 * A call that comes back to us is the callee's leg of one bridge and the caller's of another, with the
 * same Call-ID and tag: whose the tag is tells them apart.
 */
struct leg_key {
    struct text call_id, tag;
    bool is_caller;
};

static uint64_t key_hash(const struct proxy *proxy, const struct leg_key *key)
{
    const struct text v[] = {key->call_id, key->tag};
    return hash_texts(&proxy->options.hash_key, v, sizeof v / sizeof *v);
}

static bool match(const struct hash_link *link, const void *arg)
{
    const struct bridge_leg *leg = CONTAINER_OF(link, struct bridge_leg, link);
    const struct leg_key *key = arg;
    bool is_caller = leg == &leg->bridge->caller;
    return (is_caller == key->is_caller || leg->is_replaced) &&
           text_equal(leg->call_id, key->call_id) && text_equal(leg->tag, key->tag);
}

/* The leg whose party has that tag, a caller, or where we have it, a callee's; or one that was replaced. */
static struct bridge_leg *leg_find(struct proxy *proxy, struct text call_id, struct text tag,
                                   bool is_caller)
{
    const struct leg_key key = {call_id, tag, is_caller};
    if (!proxy->legs.count || !tag.n)
        return NULL;
    struct hash_link *link = hash_find(&proxy->legs, key_hash(proxy, &key), match, &key);
    return link ? CONTAINER_OF(link, struct bridge_leg, link) : NULL;
}

int bridge_leg_open(struct bridge *bridge, struct bridge_leg *leg)
{
    const struct leg_key key = {.call_id = leg->call_id, .tag = leg->tag};
    leg->bridge = bridge;
    return hash_insert(&bridge->proxy->legs, &leg->link, key_hash(bridge->proxy, &key));
}

int bridge_legs_open(struct bridge *bridge)
{
    int error = bridge_leg_open(bridge, &bridge->caller);
    if (!error)
        error = bridge_leg_open(bridge, &bridge->callee);
    if (!error)
        proxy_note_names(bridge->proxy, bridge->caller.call_id, bridge->callee.call_id);
    return error;
}

void bridge_legs_close(struct bridge *bridge)
{
    hash_remove(&bridge->caller.link);
    hash_remove(&bridge->callee.link);
    for (struct bridge_leg *leg = bridge->replaced; leg; leg = leg->next_replaced)
        hash_remove(&leg->link);
}

struct bridge_leg *bridge_leg_of_names(struct proxy *proxy, struct text call_id,
                                       struct text from_tag, struct text to_tag,
                                       bool *is_from_caller)
{
    struct bridge_leg *leg = leg_find(proxy, call_id, from_tag, true);
    *is_from_caller = leg != NULL;
    return leg ? leg : leg_find(proxy, call_id, to_tag, false);
}

struct bridge_leg *bridge_leg_of_request(struct proxy *proxy, struct message *request,
                                         bool *is_from_caller)
{
    return bridge_leg_of_names(proxy, request->call_id, message_from_tag(request),
                               message_to_tag(request), is_from_caller);
}

struct bridge *bridge_of_dialog(struct proxy *proxy, struct text call_id, struct text from_tag,
                                struct text to_tag, bool *is_from_caller)
{
    const struct bridge_leg *leg =
        bridge_leg_of_names(proxy, call_id, from_tag, to_tag, is_from_caller);
    return leg && !leg->is_replaced ? leg->bridge : NULL;
}

struct bridge *bridge_find(struct proxy *proxy, struct text call_id, struct text tag)
{
    struct bridge_leg *leg = leg_find(proxy, call_id, tag, false);
    return leg && !leg->bridge->is_ended ? leg->bridge : NULL;
}

/* ---- forks ---- */

static struct text fork_local_tag(const struct bridge_fork *fork)
{
    return (struct text){fork->local_tag, sizeof fork->local_tag};
}

struct bridge_fork *bridge_fork_find(const struct bridge *bridge, bool on_caller_leg,
                                     struct text tag)
{
    LIST_FOR_EACH (link, &bridge->forks) {
        struct bridge_fork *fork = CONTAINER_OF(link, struct bridge_fork, link);
        if (text_equal(on_caller_leg ? fork_local_tag(fork) : fork->remote_tag, tag))
            return fork;
    }
    return NULL;
}

struct bridge_fork *bridge_fork_create(struct bridge *bridge, struct text remote_tag)
{
    struct bridge_fork *fork = arena_zalloc(&bridge->arena, sizeof *fork);
    struct text copy = fork ? arena_copy(&bridge->arena, remote_tag) : TEXT_NONE;
    if (!fork || (text_is_set(remote_tag) && !text_is_set(copy)))
        return NULL;
    random_token(&bridge->proxy->random, fork->local_tag, sizeof fork->local_tag);
    memcpy(fork->media_tag, fork->local_tag, sizeof fork->media_tag);
    fork->remote_tag = copy;
    fork->bridge = bridge;
    list_append(&bridge->forks, &fork->link);
    return fork;
}

struct text bridge_media_tag(const struct bridge_fork *fork)
{
    return (struct text){fork->media_tag, sizeof fork->media_tag};
}

struct bridge_fork *bridge_fork_take(struct bridge *bridge, struct message *response)
{
    struct proxy *proxy = bridge->proxy;
    struct text tag = message_to_tag(response);
    struct bridge_fork *fork = bridge_fork_find(bridge, false, tag);
    if (fork)
        return fork;
    bool may_win = response->status >= 200 && !bridge->chosen && !bridge->is_ended;
    if (bridge->forks.count >= proxy->options.settings->limits_dialog_legs && !may_win) {
        counter_count(proxy->options.counters, COUNTER_DIALOG_LEG_LIMIT);
        return NULL;
    }
    fork = bridge_fork_create(bridge, tag);
    if (fork)
        fork->remote_cseq[1] = bridge->invite_cseq; /* lower ones are of before (s12.1.1) */
    return fork;
}

void bridge_fork_release(struct bridge_fork *fork)
{
    list_remove(&fork->link);
    bridge_reliable_release(fork);
    fork->media_flags = memory_release(fork->media_flags);
    dialog_side_release(&fork->callee);
}

void bridge_learn(struct bridge *bridge, struct bridge_fork *fork, bool from_caller,
                  struct message *message, struct text route)
{
    if (from_caller)
        dialog_side_learn(&bridge->caller_side, message, route);
    else if (fork)
        dialog_side_learn(&fork->callee, message, route);
}

/* ---- sending ---- */

static void print_tagged(struct buffer *out, struct text value, struct text tag)
{
    buffer_append(out, value);
    if (tag.n)
        buffer_printf(out, ";tag=%.*s", TEXT_ARG(tag));
}

int bridge_send(struct bridge *bridge, struct bridge_fork *fork, bool to_caller,
                struct uac_request *request, struct uac **uacp, uac_done_handler *done, void *arg)
{
    struct bridge_leg *leg = to_caller ? &bridge->caller : &bridge->callee;
    const struct dialog_side *side = to_caller ? &bridge->caller_side : &fork->callee;
    struct buffer from = {0}, to = {0};
    if (!text_is_set(side->target))
        return ERROR_STATE; /* it never said where */
    print_tagged(&from, leg->local, to_caller ? fork_local_tag(fork) : leg->tag);
    print_tagged(&to, leg->remote, to_caller ? TEXT_NONE : fork->remote_tag);
    if (request->method != METHOD_ACK)
        request->cseq = ++leg->cseq;
    request->request_uri = side->target;
    request->route = side->route;
    request->from = buffer_text(&from);
    request->to = buffer_text(&to);
    request->call_id = leg->call_id;
    request->listener = side->listener;
    if (request->method == METHOD_INVITE || request->method == METHOD_UPDATE ||
        request->method == METHOD_REFER || request->method == METHOD_NOTIFY)
        request->contact_user = leg->contact_user;
    int error = from.error ? from.error : to.error;
    if (!error)
        error = uac_send(uacp, bridge->proxy, request, done, arg);
    buffer_release(&from);
    buffer_release(&to);
    return error;
}
