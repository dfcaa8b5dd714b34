/* Addresses of the virtual network: any address may be bound, and exists while it is. */
#include "io/lab_world.h"

#include "base/error.h"
#include "base/memory.h"

#define PORT_FIRST 49152 /* dynamic ports, RFC 6335 s6 */
#define PORT_LAST  65535

static uint64_t hash_of(const struct lab *lab, const struct address *address)
{
    char scratch[18];
    return hash_text(&lab->key, address_key(address, scratch));
}

static bool is_at(const struct hash_link *link, const void *key)
{
    return address_equal(&CONTAINER_OF(link, struct lab_port, link)->address, key);
}

struct lab_port *lab_port_find(const struct lab *lab, const struct address *address)
{
    struct hash_link *link = hash_find(&lab->ports, hash_of(lab, address), is_at, address);
    return link ? CONTAINER_OF(link, struct lab_port, link) : NULL;
}

struct lab_port *lab_port_make(struct lab *lab, const struct address *address)
{
    struct lab_port *port = lab_port_find(lab, address);
    if (port)
        return port;
    port = memory_alloc(sizeof *port, NULL);
    if (!port)
        return NULL;
    port->address = *address;
    if (hash_insert(&lab->ports, &port->link, hash_of(lab, address)) != 0)
        return memory_release(port);
    return port;
}

void lab_port_trim(struct lab_port *port)
{
    if (port->sockets.count)
        return;
    hash_remove(&port->link);
    memory_release(port);
}

int lab_port_choose(struct lab *lab, struct address *address)
{
    for (unsigned i = 0; i <= PORT_LAST - PORT_FIRST; i++) {
        if (lab->next_port < PORT_FIRST)
            lab->next_port = PORT_FIRST; /* first use, or wrapped around */
        address_set_port(address, lab->next_port++);
        if (!lab_port_find(lab, address))
            return 0;
    }
    return ERROR_LIMIT;
}
