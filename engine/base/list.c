/* Linking and unlinking. */
#include "base/list.h"

void list_append(struct list *list, struct link *link)
{
    link->list = list;
    link->next = NULL;
    link->previous = list->last;
    if (list->last)
        list->last->next = link;
    else
        list->first = link;
    list->last = link;
    list->count++;
}

void list_prepend(struct list *list, struct link *link)
{
    link->list = list;
    link->previous = NULL;
    link->next = list->first;
    if (list->first)
        list->first->previous = link;
    else
        list->last = link;
    list->first = link;
    list->count++;
}

void list_insert_after(struct list *list, struct link *before, struct link *link)
{
    if (!before) {
        list_prepend(list, link);
        return;
    }
    if (before == list->last) {
        list_append(list, link);
        return;
    }
    link->list = list;
    link->previous = before;
    link->next = before->next;
    before->next->previous = link;
    before->next = link;
    list->count++;
}

void list_remove(struct link *link)
{
    struct list *list = link->list;
    if (!list)
        return;
    if (link->previous)
        link->previous->next = link->next;
    else
        list->first = link->next;
    if (link->next)
        link->next->previous = link->previous;
    else
        list->last = link->previous;
    list->count--;
    *link = (struct link){0};
}

struct link *list_pop(struct list *list)
{
    struct link *first = list->first;
    if (first)
        list_remove(first);
    return first;
}
