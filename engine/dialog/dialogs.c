/* The dialogs of one worker: a table by Call-ID and caller's tag, and a list, oldest first. */
#include "dialog/internal.h"

#include "base/error.h"
#include "base/memory.h"

/* Key of a dialog: Call-ID and the tag of the caller. */
struct caller_key {
    struct text call_id, tag;
};

static struct dialog *of_link(const struct hash_link *link)
{
    return CONTAINER_OF(link, struct dialog, by_caller);
}

static bool matches(const struct hash_link *link, const void *key)
{
    const struct caller_key *caller = key;
    const struct dialog *dialog = of_link(link);
    return text_equal(dialog_call_id(dialog), caller->call_id) &&
           text_equal(dialog_caller_tag(dialog), caller->tag);
}

static struct dialog *find(struct dialogs *dialogs, const struct caller_key *key, uint64_t hash)
{
    struct hash_link *link = hash_find(&dialogs->by_caller, hash, matches, key);
    return link ? of_link(link) : NULL;
}

static void destroy(void *object)
{
    struct dialogs *dialogs = object;
    dialogs->options.event = NULL; /* whoever listened may be gone */
    dialogs_stop(dialogs);
    hash_table_release(&dialogs->by_caller);
    hash_table_release(&dialogs->tracks);
}

int dialogs_create(struct dialogs **dialogsp, const struct dialogs_options *options)
{
    if (!engine_check(options->loop && options->settings && options->counters && options->log))
        return ERROR_ARGUMENT;
    struct dialogs *dialogs = memory_alloc(sizeof *dialogs, destroy);
    if (!dialogs)
        return ERROR_MEMORY;
    dialogs->options = *options;
    timers_expect(loop_timers(options->loop), options->settings->limits_dialog_idle_s * 1000);
    *dialogsp = dialogs;
    return 0;
}

size_t dialogs_count(const struct dialogs *dialogs)
{
    return dialogs->all.count;
}

void dialogs_stop(struct dialogs *dialogs)
{
    while (dialogs->all.first)
        dialog_terminate(CONTAINER_OF(dialogs->all.first, struct dialog, all), DIALOG_END_LOCAL);
}

/* With a reference; NULL: none */
static struct dialog *dialog_at(struct link *link)
{
    return link ? memory_ref(CONTAINER_OF(link, struct dialog, all)) : NULL;
}

void dialogs_for_each(struct dialogs *dialogs, dialog_visit_handler *visit, void *arg)
{
    struct dialog *next = dialog_at(dialogs->all.first);
    while (next) {
        struct dialog *dialog = next;
        next = dialog_at(dialog->all.next);
        visit(arg, dialog);
        memory_release(dialog);
        if (next && !list_contains(&next->all)) { /* it ended as well: so may those behind it */
            memory_release(next);
            next = dialog_at(dialogs->all.first);
        }
    }
}

struct dialog *dialogs_find_attached(const struct dialogs *dialogs, enum dialog_attachment which,
                                     const void *object)
{
    LIST_FOR_EACH (link, &dialogs->all) {
        struct dialog *dialog = CONTAINER_OF(link, struct dialog, all);
        if (dialog->attachments[which] == object)
            return dialog;
    }
    return NULL;
}

int dialog_create(struct dialog **dialogp, struct dialogs *dialogs, struct message *invite)
{
    const struct caller_key key = {invite->call_id, message_from_tag(invite)};
    uint64_t hash = message_caller_hash(invite, &dialogs->options.hash_key);
    *dialogp = find(dialogs, &key, hash);
    if (*dialogp) {
        (*dialogp)->invites++;
        return 0;
    }
    if (dialogs->all.count >= dialogs->options.settings->limits_dialogs) {
        counter_count(dialogs->options.counters, COUNTER_DIALOG_LIMIT);
        return ERROR_LIMIT;
    }
    struct dialog *dialog = dialog_new(dialogs, invite);
    if (!dialog)
        return ERROR_MEMORY;
    int error = hash_insert(&dialogs->by_caller, &dialog->by_caller, hash);
    if (error) {
        memory_release(dialog);
        return error;
    }
    list_append(&dialogs->all, &dialog->all);
    dialog_touch(dialog);
    counter_count(dialogs->options.counters, COUNTER_DIALOG_CREATED);
    *dialogp = dialog;
    return 0;
}

int dialog_start(struct dialog *dialog, struct message *invite)
{
    if (dialog->is_started)
        return 0;
    dialog->is_started = true;
    memory_ref(dialog);
    dialog_tell(dialog, DIALOG_EVENT_START, invite);
    int error = dialog->state == DIALOG_TERMINATED ? ERROR_CANCELLED : 0;
    memory_release(dialog);
    return error;
}

struct dialog *dialog_find(struct dialogs *dialogs, struct message *message)
{
    /* From the caller (and responses to it) the From tag is the key, from a callee the To tag. */
    const struct hash_key *secret = &dialogs->options.hash_key;
    struct caller_key key = {message->call_id, message_from_tag(message)};
    struct dialog *dialog = find(dialogs, &key, message_caller_hash(message, secret));
    if (dialog)
        return dialog;
    key.tag = message_to_tag(message);
    const struct text v[] = {key.call_id, key.tag};
    return text_is_set(key.tag) ? find(dialogs, &key, hash_index(secret, v, 2)) : NULL;
}
