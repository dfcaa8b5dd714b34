/* A call has a handful of them: a list is the shortest way to one. Name and text lie behind their node. */
#include "dialog/variables.h"

#include "base/error.h"
#include "base/memory.h"

struct variable {
    struct variable *next;
    struct value value; /* its text lies behind the name */
    size_t name_bytes;
    char bytes[];
};

static struct text name_of(const struct variable *variable)
{
    return (struct text){variable->bytes, variable->name_bytes};
}

static size_t size_of(struct text name, const struct value *value)
{
    return name.n + (value->type == VALUE_TEXT ? value->text.n : 0);
}

/* Where the variable of that name hangs; *at is NULL when there is none: then at the end. */
static struct variable **place_of(struct variables *variables, struct text name)
{
    struct variable **at = &variables->first;
    while (*at && !text_equal(name_of(*at), name))
        at = &(*at)->next;
    return at;
}

struct value variables_get(const struct variables *variables, struct text name)
{
    for (const struct variable *one = variables->first; one; one = one->next)
        if (text_equal(name_of(one), name))
            return one->value;
    return (struct value){0};
}

static struct variable *make(struct text name, const struct value *value)
{
    struct variable *made = memory_raw(sizeof *made + size_of(name, value));
    if (!made)
        return NULL;
    *made = (struct variable){.value = *value, .name_bytes = name.n};
    if (name.n)
        memcpy(made->bytes, name.p, name.n);
    if (value->type != VALUE_TEXT)
        return made;
    if (value->text.n)
        memcpy(made->bytes + name.n, value->text.p, value->text.n);
    made->value.text.p = made->bytes + name.n;
    return made;
}

int variables_set(struct variables *variables, struct text name, const struct value *value,
                  size_t most_bytes)
{
    struct variable **at = place_of(variables, name), *old = *at, *made = NULL;
    size_t freed = old ? size_of(name, &old->value) : 0;
    size_t wanted = value->type == VALUE_NONE ? 0 : size_of(name, value);
    if (wanted && variables->size_bytes - freed + wanted > most_bytes)
        return ERROR_LIMIT;
    if (wanted && !(made = make(name, value)))
        return ERROR_MEMORY;
    if (made)
        made->next = old ? old->next : NULL;
    if (made || old)
        *at = made ? made : old->next;
    variables->size_bytes += wanted - freed;
    memory_free_raw(old);
    return 0;
}

void variables_for_each(const struct variables *variables, variable_visit_handler *visit, void *arg)
{
    for (const struct variable *one = variables->first; one; one = one->next)
        visit(arg, name_of(one), &one->value);
}

void variables_release(struct variables *variables)
{
    while (variables->first) {
        struct variable *next = variables->first->next;
        memory_free_raw(variables->first);
        variables->first = next;
    }
    variables->size_bytes = 0;
}
