/* All trunks of an engine: an array that a reload replaces, in which those that stay are the same. */
#include "base/error.h"
#include "base/memory.h"
#include "trunk/internal.h"

struct trunks {
    pthread_mutex_t mutex; /* guards the rest */
    struct trunk **v;      /* owned, with a reference to each */
    size_t count;
};

static void release_all(struct trunk **v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memory_release(v[i]);
    memory_free_raw(v);
}

static void destroy(void *arg)
{
    struct trunks *trunks = arg;
    release_all(trunks->v, trunks->count);
    pthread_mutex_destroy(&trunks->mutex);
}

int trunks_create(struct trunks **trunksp)
{
    struct trunks *trunks = memory_alloc(sizeof *trunks, destroy);
    if (!trunks)
        return ERROR_MEMORY;
    pthread_mutex_init(&trunks->mutex, NULL);
    *trunksp = trunks;
    return 0;
}

static void trunk_destroy(void *arg)
{
    struct trunk *trunk = arg;
    memory_release(trunk->terms);
    pthread_mutex_destroy(&trunk->mutex);
}

static struct trunk *create(struct trunk_terms *terms, struct random *random)
{
    struct trunk *trunk = memory_alloc(sizeof *trunk, trunk_destroy);
    if (!trunk)
        return NULL;
    pthread_mutex_init(&trunk->mutex, NULL);
    trunk->terms = memory_ref(terms);
    text_to_array(text_of(terms->name), trunk->name, sizeof trunk->name);
    random_token(random, trunk->call_id, sizeof trunk->call_id);
    return trunk;
}

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/*
 * Would both REGISTERs be of one binding? Then one must follow the other with the same Call-ID and
 * a higher CSeq (RFC 3261 s10.2.4): whatever else differs, the trunk is the same.
 */
static bool is_same_binding(const struct trunk_terms *a, const struct trunk_terms *b)
{
    return is_same(a->name, b->name) && is_same(a->registrar, b->registrar) &&
           is_same(a->domain, b->domain) && is_same(a->user, b->user) &&
           is_same(a->contact_user, b->contact_user) && is_same(a->interface, b->interface);
}

int trunks_prepare(struct trunks_change *change, struct trunks *trunks, struct trunk_terms **terms,
                   size_t count, struct random *random)
{
    *change = (struct trunks_change){.terms = terms, .v = memory_raw(count * sizeof *change->v)};
    if (!change->v && count)
        return ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct trunk *trunk = trunks_find(trunks, text_of(terms[i]->name));
        struct trunk_terms *before = trunk ? trunk_terms_of(trunk) : NULL;
        if (!before || !is_same_binding(before, terms[i])) {
            memory_release(trunk);
            trunk = create(terms[i], random);
        }
        memory_release(before);
        change->v[i] = trunk;
        if (!trunk) {
            trunks_discard(change);
            return ERROR_MEMORY;
        }
        change->count++;
    }
    return 0;
}

void trunks_discard(struct trunks_change *change)
{
    release_all(change->v, change->count);
    *change = (struct trunks_change){0};
}

/* Both of one binding: is the rest the same, too? */
static bool is_same_otherwise(const struct trunk_terms *a, const struct trunk_terms *b)
{
    return is_same(a->proxy, b->proxy) && is_same(a->auth_user, b->auth_user) &&
           is_same(a->password, b->password) && is_same(a->realm, b->realm) &&
           a->expires_s == b->expires_s;
}

/* Terms that are the same stay: nothing is sent for them. */
static void take_terms(struct trunk *trunk, struct trunk_terms *terms)
{
    struct trunk_terms *before = trunk_terms_of(trunk);
    if (is_same_otherwise(before, terms)) {
        memory_release(before);
        return;
    }
    pthread_mutex_lock(&trunk->mutex);
    trunk->terms = memory_ref(terms);
    pthread_mutex_unlock(&trunk->mutex);
    memory_release(before);
    memory_release(before); /* the trunk's own reference */
}

void trunks_commit(struct trunks *trunks, struct trunks_change *change)
{
    for (size_t i = 0; i < change->count; i++)
        take_terms(change->v[i], change->terms[i]);
    pthread_mutex_lock(&trunks->mutex);
    struct trunk **before = trunks->v;
    size_t before_count = trunks->count;
    trunks->v = change->v;
    trunks->count = change->count;
    pthread_mutex_unlock(&trunks->mutex);
    release_all(before, before_count);
    *change = (struct trunks_change){0};
}

struct trunk *trunks_find(struct trunks *trunks, struct text name)
{
    struct trunk *found = NULL;
    pthread_mutex_lock(&trunks->mutex);
    for (size_t i = 0; i < trunks->count && !found; i++)
        if (text_equal(text_of(trunks->v[i]->name), name))
            found = memory_ref(trunks->v[i]);
    pthread_mutex_unlock(&trunks->mutex);
    return found;
}

size_t trunks_count(struct trunks *trunks)
{
    pthread_mutex_lock(&trunks->mutex);
    size_t count = trunks->count;
    pthread_mutex_unlock(&trunks->mutex);
    return count;
}

struct trunk *trunks_at(struct trunks *trunks, size_t i)
{
    pthread_mutex_lock(&trunks->mutex);
    struct trunk *trunk = i < trunks->count ? memory_ref(trunks->v[i]) : NULL;
    pthread_mutex_unlock(&trunks->mutex);
    return trunk;
}
