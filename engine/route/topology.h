/*
 * Topology hiding: what leaves through a hidden interface names no address but ours. The dialog keeps
 * what was taken out, so that everything within the call still finds its way.
 */
#pragma once

#include "route/context.h"

/** Lives with one request of a hidden call: what its responses get back. Counted. */
struct hidden;

/**
 * A request within a call was received: is it of a hidden one?
 * @return 0 (context->hidden is set then), ERROR_MEMORY
 */
int topology_begin(struct response_context *context);
/** Does what leaves through @p out show nothing? */
bool topology_hides(const struct response_context *context, const struct listener *out);
/**
 * A request is about to leave: the last edit but our own Via.
 * @return 0 or ERROR_MEMORY: it must not leave then
 */
int topology_request(struct response_context *context, struct edits *edits,
                     const struct listener *out);
/**
 * A request is about to leave: what it names of another hidden call (replaces.c).
 * @return 0 or ERROR_MEMORY
 */
int replaces_request(struct response_context *context, struct edits *edits,
                     const struct listener *out);
/** A response goes upstream, our Via already taken off. @return as above */
int topology_response(const struct branch *branch, struct message *response, struct edits *edits);
/**
 * Addresses in what stays of a message become ours on @p listener (topology_mask.c).
 * @return 0 or ERROR_MEMORY: the message must not leave then
 */
int topology_mask(struct edits *edits, const struct listener *listener);
/** Call-ID of a call, as the party knows it that we reach through @p out. Borrowed from the dialog. */
struct text topology_call_id(const struct dialog *dialog, bool of_caller,
                             const struct listener *out);
/** A message of a call whose Call-ID we made up counts as one of the real one from now on. */
void topology_unmask(struct proxy *proxy, struct message *message);
/** A message came in. */
static inline void topology_enter(struct proxy *proxy, struct message *message)
{
    if (proxy->masked.count)
        topology_unmask(proxy, message);
}
