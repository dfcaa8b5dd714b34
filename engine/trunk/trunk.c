/* Terms, and one trunk's state, which several threads read. */
#include "base/error.h"
#include "base/memory.h"
#include "trunk/internal.h"

static void terms_destroy(void *arg)
{
    struct trunk_terms *terms = arg;
    char *const texts[] = {terms->name,      terms->registrar, terms->proxy, terms->user,
                           terms->domain,    terms->auth_user, terms->realm, terms->contact_user,
                           terms->interface, terms->password};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        memory_free_raw(texts[i]);
}

struct trunk_terms *trunk_terms_create(void)
{
    return memory_alloc(sizeof(struct trunk_terms), terms_destroy);
}

const char *trunk_state_name(enum trunk_state state)
{
    static const char *const names[] = {
#define XX(name, text) text,
        TRUNK_STATES(XX)
#undef XX
    };
    return names[state];
}

struct trunk_terms *trunk_terms_of(struct trunk *trunk)
{
    pthread_mutex_lock(&trunk->mutex);
    struct trunk_terms *terms = memory_ref(trunk->terms);
    pthread_mutex_unlock(&trunk->mutex);
    return terms;
}

bool trunk_is_disabled(struct trunk *trunk)
{
    pthread_mutex_lock(&trunk->mutex);
    bool is_disabled = trunk->is_disabled;
    pthread_mutex_unlock(&trunk->mutex);
    return is_disabled;
}

void trunk_set_disabled(struct trunk *trunk, bool is_disabled)
{
    pthread_mutex_lock(&trunk->mutex);
    trunk->is_disabled = is_disabled;
    pthread_mutex_unlock(&trunk->mutex);
}

enum trunk_state trunk_set_outcome(struct trunk *trunk, const struct trunk_outcome *outcome)
{
    struct text reason = outcome->reason;
    if (reason.n >= sizeof trunk->reason)
        reason.n = sizeof trunk->reason - 1;
    pthread_mutex_lock(&trunk->mutex);
    enum trunk_state before = trunk->state;
    trunk->state = outcome->state;
    trunk->status = outcome->status;
    text_to_array(reason, trunk->reason, sizeof trunk->reason);
    trunk->expires_ms = outcome->expires_ms;
    trunk->next_ms = outcome->next_ms;
    trunk->failures = outcome->failures;
    pthread_mutex_unlock(&trunk->mutex);
    return before;
}

void trunk_get_view(struct trunk *trunk, struct trunk_view *view)
{
    pthread_mutex_lock(&trunk->mutex);
    *view = (struct trunk_view){
        .terms = memory_ref(trunk->terms),
        .state = trunk->state,
        .status = trunk->status,
        .expires_ms = trunk->expires_ms,
        .next_ms = trunk->next_ms,
        .failures = trunk->failures,
    };
    memcpy(view->reason, trunk->reason, sizeof view->reason);
    pthread_mutex_unlock(&trunk->mutex);
}

void trunk_view_release(struct trunk_view *view)
{
    view->terms = memory_release(view->terms);
}
