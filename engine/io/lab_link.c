/*
 * Links: pairs of hosts between which something else than the network's own impairment counts. A
 * partition is a link that loses everything.
 */
#include "io/lab_world.h"

#include "base/error.h"
#include "base/memory.h"

/* @return 1 when @p link leads from @p source to @p destination, -1 for the way back, 0 for neither */
static int direction_of(const struct lab_link *link, const struct address *source,
                        const struct address *destination)
{
    bool is_open = !address_is_set(&link->b);
    if (address_equal_host(&link->a, source) &&
        (is_open || address_equal_host(&link->b, destination)))
        return 1;
    if (address_equal_host(&link->a, destination) &&
        (is_open || address_equal_host(&link->b, source)))
        return -1;
    return 0;
}

struct lab_way lab_way_between(struct lab *lab, const struct address *source,
                               const struct address *destination)
{
    for (struct link *at = lab->links.last; at; at = at->previous) {
        struct lab_link *link = CONTAINER_OF(at, struct lab_link, link);
        int direction = direction_of(link, source, destination);
        if (direction)
            return (struct lab_way){&link->impairment, &link->last_due_us[direction < 0]};
    }
    return (struct lab_way){&lab->impairment, NULL};
}

static void link_destructor(void *object)
{
    struct lab_link *link = object;
    list_remove(&link->link);
}

int lab_impair_link(struct io *io, const struct address *a, const struct address *b,
                    const struct lab_impairment *impairment)
{
    struct lab_link *link = memory_alloc(sizeof *link, link_destructor);
    if (!link)
        return ERROR_MEMORY;
    link->a = *a;
    if (b)
        link->b = *b;
    link->impairment = *impairment;
    list_append(&lab_of(io)->links, &link->link);
    return 0;
}

void lab_heal_links(struct io *io)
{
    struct list *links = &lab_of(io)->links;
    while (links->first)
        memory_release(CONTAINER_OF(links->first, struct lab_link, link));
}
