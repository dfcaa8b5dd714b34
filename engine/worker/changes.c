/* Comparing two configurations: what was made at the start and is in use cannot be made again. */
#include "worker/changes.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

#define LOCATION_REASON    "registrations of all workers follow it"
#define CONNECTIONS_REASON "its connections are in use"

/* Settings that memory or sockets of the start depend on. Without a name: all of a block. */
static const struct {
    const char *block, *name, *reason;
} fixed[] = {
    {"limits", "message_bytes", "its sockets are open"},
    {"limits", "mailbox", "its memory is in use"},
    {"limits", "sources", "its memory is in use"},
    {"dialog", "recorder_mib", "its memory is in use"},
    {"dialog", "recorder_message_bytes", "its memory is in use"},
    {"shared", "bytes", "its memory is in use"},
    {"location", "aors", LOCATION_REASON},
    {"location", "use_domain", LOCATION_REASON},
    {"location", "case_sensitive", LOCATION_REASON},
    {"location", "q_default", LOCATION_REASON},
    {"location", "request_contacts", LOCATION_REASON},
    {"location", "uri_bytes", LOCATION_REASON},
    {"location", "path_bytes", LOCATION_REASON},
    {"location", "text_bytes", LOCATION_REASON},
    {"location", "expire_batch", LOCATION_REASON},
    {"location", "db_mode", LOCATION_REASON},
    {"location", "store_queue", LOCATION_REASON},
    {"location", "write_through_ms", LOCATION_REASON},
    {"location", "write_back_ms", LOCATION_REASON},
    {"location", "load_batch", LOCATION_REASON},
    {"dscp", "sip", "its sockets are open"},
    {"database", NULL, CONNECTIONS_REASON},
    {"http", NULL, CONNECTIONS_REASON},
};

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_same_listener(const struct listener *a, const struct listener *b)
{
    return a->kind == b->kind && a->port == b->port && address_equal(&a->local, &b->local) &&
           is_same_text(a->interface, b->interface) && is_same_text(a->host, b->host);
}

static bool has_same_listeners(const struct configuration *a, const struct configuration *b)
{
    if (a->listener_count != b->listener_count)
        return false;
    for (size_t i = 0; i < a->listener_count; i++)
        if (!is_same_listener(&a->listeners[i], &b->listeners[i]))
            return false;
    return true;
}

static bool is_same_address(const struct media_interface_address *a,
                            const struct media_interface_address *b)
{
    bool is_set = address_is_set(&a->local);
    return is_set == address_is_set(&b->local) && is_same_text(a->advertise, b->advertise) &&
           (!is_set || address_equal_host(&a->local, &b->local));
}

static bool has_same_media(const struct configuration *a, const struct configuration *b)
{
    if (a->media_count != b->media_count)
        return false;
    for (size_t i = 0; i < a->media_count; i++)
        if (!is_same_text(a->media[i].name, b->media[i].name) ||
            !is_same_address(&a->media[i].v4, &b->media[i].v4) ||
            !is_same_address(&a->media[i].v6, &b->media[i].v6))
            return false;
    return true;
}

static bool has_same_names(char *const *a, size_t a_count, char *const *b, size_t b_count)
{
    for (size_t i = 0; i < a_count && i < b_count; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return a_count == b_count;
}

/* The line, as it grows. */
struct refusal {
    struct buffer text;
    const struct configuration *new;
    size_t count;
};

static void refuse(struct refusal *refusal, bool is_same, const char *block, const char *name,
                   const char *reason)
{
    if (is_same)
        return;
    if (refusal->count++ == 0)
        buffer_printf(&refusal->text, "%s:%u: ", refusal->new->path,
                      configuration_line(refusal->new, block));
    else
        buffer_append(&refusal->text, TEXT(", "));
    buffer_printf(&refusal->text, "%s%s%s (%s)", block, name[0] ? "." : "", name, reason);
}

static bool is_fixed(const struct setting *setting, const char **reason)
{
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        *reason = fixed[i].reason;
        if (strcmp(fixed[i].block, setting->block) == 0 &&
            (!fixed[i].name || strcmp(fixed[i].name, setting->name) == 0))
            return true;
    }
    return false;
}

static void check_settings(struct refusal *refusal, const struct settings *a,
                           const struct settings *b)
{
    unsigned count;
    const struct setting *list = settings_list(&count);
    for (unsigned i = 0; i < count; i++) {
        const char *reason;
        uint64_t before = 0, after = 0;
        settings_get(a, list[i].block, list[i].name, &before);
        settings_get(b, list[i].block, list[i].name, &after);
        if (is_fixed(&list[i], &reason))
            refuse(refusal, before == after, list[i].block, list[i].name, reason);
    }
}

int changes_check(const struct configuration *first, const struct configuration *new, char **fault)
{
    struct refusal refusal = {.new = new};
    const struct configuration *a = first, *b = new;
    refuse(&refusal, has_same_listeners(a, b), "listen", "", "its sockets are open");
    refuse(&refusal, has_same_media(a, b), "media", "",
           "calls use its addresses; ports may change");
    refuse(&refusal, a->has_dispatcher == b->has_dispatcher, "dispatcher", "",
           "the block cannot come or go; what is in it may change");
    refuse(&refusal, is_same_text(a->control_path, b->control_path), "control", "",
           "its socket is open");
    refuse(&refusal, a->is_log_syslog == b->is_log_syslog, "log", "to", "threads write there");
    refuse(&refusal, a->workers == b->workers, "workers", "", "calls belong to them");
    refuse(&refusal, a->media_threads == b->media_threads, "media_threads", "",
           "calls belong to them");
    refuse(&refusal, is_same_text(a->user, b->user), "user", "",
           "rights were given up at the start");
    refuse(&refusal, is_same_text(a->group, b->group), "group", "",
           "rights were given up at the start");
    refuse(&refusal, is_same_text(a->auth_secret, b->auth_secret), "auth", "secret",
           "nonces signed with it are in use");
    refuse(&refusal, is_same_text(a->location_database, b->location_database), "location",
           "database", LOCATION_REASON);
    refuse(&refusal, a->has_records == b->has_records, "records", "",
           "the block cannot come or go; its numbers may change");
    refuse(&refusal, is_same_text(a->records_file, b->records_file), "records", "file",
           "records are on their way there");
    refuse(&refusal, is_same_text(a->records_database, b->records_database), "records", "database",
           "records are on their way there");
    refuse(&refusal, is_same_text(a->records_spool, b->records_spool), "records", "spool",
           "records wait there");
    refuse(&refusal,
           has_same_names(a->acc_extra, a->acc_extra_count, b->acc_extra, b->acc_extra_count),
           "records", "acc_extra", "records are on their way there");
    refuse(&refusal,
           has_same_names(a->cdr_extra, a->cdr_extra_count, b->cdr_extra, b->cdr_extra_count),
           "records", "cdr_extra", "records are on their way there");
    check_settings(&refusal, &a->settings, &b->settings);
    if (refusal.count == 0)
        return 0;
    buffer_printf(&refusal.text,
                  " cannot change while running; nothing was changed: restart, or put %s back",
                  refusal.count == 1 ? "it" : "them");
    if (!refusal.text.error)
        *fault = text_strdup(buffer_text(&refusal.text));
    buffer_release(&refusal.text);
    return ERROR_STATE;
}

void changes_log(struct log *log, const struct configuration *old, const struct configuration *new)
{
    unsigned count;
    const struct setting *list = settings_list(&count);
    for (unsigned i = 0; i < count; i++) {
        uint64_t before = 0, after = 0;
        settings_get(&old->settings, list[i].block, list[i].name, &before);
        settings_get(&new->settings, list[i].block, list[i].name, &after);
        if (before != after)
            log_info(log, LOG_CONFIG, TEXT_NONE, "%s.%s is now %llu, was %llu", list[i].block,
                     list[i].name, (unsigned long long)after, (unsigned long long)before);
    }
}
