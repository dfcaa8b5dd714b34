/* Two tables under one lock, held for a few instructions; nothing is looked up while no call is hidden so. */
#include "route/masks.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/random.h"

#include <pthread.h>

struct mask {
    struct hash_link by_real, by_masked;
    struct mask_terms terms; /* texts in @c bytes */
    char bytes[];
};

struct masks {
    pthread_mutex_t lock; /* guards the tables */
    struct hash_table by_real, by_masked;
    struct hash_key key;
};

static void destroy(void *object)
{
    struct masks *masks = object;
    hash_table_release(&masks->by_real);
    hash_table_release(&masks->by_masked);
    pthread_mutex_destroy(&masks->lock);
}

int masks_create(struct masks **masksp)
{
    struct random random;
    struct masks *masks = memory_alloc(sizeof *masks, destroy);
    if (!masks)
        return ERROR_MEMORY;
    random_seed_secret(&random);
    masks->key = (struct hash_key){random_u64(&random), random_u64(&random)};
    pthread_mutex_init(&masks->lock, NULL);
    *masksp = masks;
    return 0;
}

static char *keep(char *at, struct text *to, struct text from)
{
    if (!from.n)
        return at;
    memcpy(at, from.p, from.n);
    *to = (struct text){at, from.n};
    return at + from.n;
}

struct mask *masks_add(struct masks *masks, const struct mask_terms *terms)
{
    size_t room = terms->real.n + terms->masked.n + terms->caller_tag.n + terms->interfaces.n;
    struct mask *mask = memory_raw(sizeof *mask + room);
    if (!mask)
        return NULL;
    *mask = (struct mask){.terms = {.real = TEXT_NONE}};
    char *at = keep(mask->bytes, &mask->terms.real, terms->real);
    at = keep(at, &mask->terms.masked, terms->masked);
    at = keep(at, &mask->terms.caller_tag, terms->caller_tag);
    keep(at, &mask->terms.interfaces, terms->interfaces);
    pthread_mutex_lock(&masks->lock);
    int error =
        hash_insert(&masks->by_real, &mask->by_real, hash_text(&masks->key, mask->terms.real));
    if (!error)
        error = hash_insert(&masks->by_masked, &mask->by_masked,
                            hash_text(&masks->key, mask->terms.masked));
    if (error)
        hash_remove(&mask->by_real);
    pthread_mutex_unlock(&masks->lock);
    if (error)
        memory_free_raw(mask);
    return error ? NULL : mask;
}

void masks_remove(struct masks *masks, struct mask *mask)
{
    if (!mask)
        return;
    pthread_mutex_lock(&masks->lock);
    hash_remove(&mask->by_real);
    hash_remove(&mask->by_masked);
    pthread_mutex_unlock(&masks->lock);
    memory_free_raw(mask);
}

static bool is_real(const struct hash_link *link, const void *key)
{
    return text_equal(CONTAINER_OF(link, struct mask, by_real)->terms.real,
                      *(const struct text *)key);
}

static bool is_masked(const struct hash_link *link, const void *key)
{
    return text_equal(CONTAINER_OF(link, struct mask, by_masked)->terms.masked,
                      *(const struct text *)key);
}

static const struct mask *find(struct masks *masks, struct text call_id)
{
    uint64_t hash = hash_text(&masks->key, call_id);
    struct hash_link *link = hash_find(&masks->by_masked, hash, is_masked, &call_id);
    if (link)
        return CONTAINER_OF(link, struct mask, by_masked);
    link = hash_find(&masks->by_real, hash, is_real, &call_id);
    return link ? CONTAINER_OF(link, struct mask, by_real) : NULL;
}

static bool shows_masked(const struct mask_terms *terms, struct text tag, struct text interface)
{
    struct text names = terms->interfaces;
    if (tag.n && text_equal(tag, terms->caller_tag))
        return false;
    if (!names.n)
        return true;
    while (names.n)
        if (text_equal(text_split(&names, ','), interface))
            return true;
    return false;
}

bool masks_translate(struct masks *masks, struct text call_id, struct text tag,
                     struct text interface, struct buffer *out)
{
    bool is_other = false;
    pthread_mutex_lock(&masks->lock);
    const struct mask *mask = masks->by_masked.count ? find(masks, call_id) : NULL;
    if (mask) {
        struct text shown =
            shows_masked(&mask->terms, tag, interface) ? mask->terms.masked : mask->terms.real;
        is_other = !text_equal(shown, call_id);
        if (is_other)
            buffer_append(out, shown);
    }
    pthread_mutex_unlock(&masks->lock);
    return is_other;
}
