/* Intrusive doubly linked lists: a struct list is the head, a struct link sits in each element. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** One element's place in one list; zero-initialised is "in no list". */
struct link {
    struct link *next, *previous;
    struct list *list; /**< holder, NULL when unlinked */
};

/** Zero-initialised is empty and ready. */
struct list {
    struct link *first, *last;
    size_t count;
};

/** The struct that holds @p link as @p member. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

void list_append(struct list *list, struct link *link);
void list_prepend(struct list *list, struct link *link);
/** Put behind @p before, which is in @p list; NULL: in front of all. */
void list_insert_after(struct list *list, struct link *before, struct link *link);
/** Unlink; nothing happens when it is in no list. */
void list_remove(struct link *link);
/** Unlink and return the first, NULL when empty. */
struct link *list_pop(struct list *list);

static inline bool list_contains(const struct link *link)
{
    return link->list != NULL;
}

/** Visit each; the current one must not be removed. */
#define LIST_FOR_EACH(link, head) for (struct link *link = (head)->first; link; link = link->next)
/** Visit each; the current one may be removed. */
#define LIST_FOR_EACH_SAFE(link, head)                                                             \
    for (struct link *link = (head)->first, *link##_next = link ? link->next : NULL; link;         \
         link = link##_next, link##_next = link ? link->next : NULL)
