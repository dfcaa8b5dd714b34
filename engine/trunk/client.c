/* Which registrations this worker has, as the configuration goes on. */
#include "trunk/client.h"

#include "base/error.h"
#include "base/memory.h"
#include "trunk/registration.h"

#define APART_MS 20 /* distance of the first REGISTERs after a start: a long list is no burst */

static void destroy(void *arg)
{
    struct trunk_client *client = arg;
    LIST_FOR_EACH_SAFE (link, &client->registrations)
        memory_release(CONTAINER_OF(link, struct registration, link));
}

int trunk_client_create(struct trunk_client **clientp, const struct trunk_client_options *options)
{
    struct trunk_client *client = memory_alloc(sizeof *client, destroy);
    if (!client)
        return ERROR_MEMORY;
    client->options = *options;
    *clientp = client;
    return 0;
}

static struct registration *find(const struct trunk_client *client, const struct trunk *trunk)
{
    LIST_FOR_EACH (link, &client->registrations) {
        struct registration *registration = CONTAINER_OF(link, struct registration, link);
        if (registration->trunk == trunk)
            return registration;
    }
    return NULL;
}

static bool is_configured(struct trunk_client *client, const struct trunk *trunk)
{
    bool is_found = false;
    struct trunk *other;
    for (size_t i = 0; !is_found && (other = trunks_at(client->options.trunks, i)); i++) {
        is_found = other == trunk;
        memory_release(other);
    }
    return is_found;
}

static void take_up(struct trunk_client *client, struct trunk *trunk, size_t i)
{
    const struct trunk_client_options *options = &client->options;
    struct registration *registration = find(client, trunk);
    if (registration)
        registration_take_terms(registration);
    else if (options->is_home(options->home_arg, trunk_call_id(trunk)) &&
             registration_create(client, trunk, 1 + i * APART_MS))
        log_error(options->log, LOG_TRUNK, TEXT_NONE, "no memory for a trunk: reload to try again");
}

void trunk_client_follow(struct trunk_client *client)
{
    struct trunk *trunk;
    for (size_t i = 0; (trunk = trunks_at(client->options.trunks, i)); i++) {
        take_up(client, trunk, i);
        memory_release(trunk);
    }
    LIST_FOR_EACH_SAFE (link, &client->registrations) {
        struct registration *registration = CONTAINER_OF(link, struct registration, link);
        if (is_configured(client, registration->trunk))
            continue;
        registration->is_gone = true;
        registration_remove(registration);
    }
}

bool trunk_client_order(struct trunk_client *client, struct trunk *trunk, enum trunk_order order)
{
    struct registration *registration = find(client, trunk);
    if (!registration || (order == TRUNK_REFRESH && trunk_is_disabled(trunk)))
        return false;
    if (order != TRUNK_REFRESH)
        trunk_set_disabled(trunk, order == TRUNK_DISABLE);
    if (order == TRUNK_DISABLE)
        registration_remove(registration);
    else
        registration_renew(registration);
    return true;
}

void trunk_client_leave(struct trunk_client *client)
{
    client->is_leaving = true;
    LIST_FOR_EACH_SAFE (link, &client->registrations)
        registration_remove(CONTAINER_OF(link, struct registration, link));
}

size_t trunk_client_left(const struct trunk_client *client)
{
    size_t left = 0;
    LIST_FOR_EACH (link, &client->registrations) {
        const struct registration *registration = CONTAINER_OF(link, struct registration, link);
        left += registration->is_bound || registration->uac;
    }
    return left;
}

void trunk_client_stop(struct trunk_client *client)
{
    client->is_leaving = true;
    LIST_FOR_EACH_SAFE (link, &client->registrations)
        registration_end(CONTAINER_OF(link, struct registration, link));
}
