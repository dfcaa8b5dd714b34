/* Files by name in folders that inotify(7) watches. */
#include "io/watch.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define CHANGES      (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)
#define EVENTS_BYTES 4096 /* some dozens of events at once */

struct watched_file {
    int folder; /* watch descriptor */
    char *name; /* in the folder; owned */
};

struct watch {
    int fd;
    struct watched_file *files; /* owned */
    size_t count;
    struct text suffix; /* of names that count besides; empty: none */
};

static void destroy(void *object)
{
    struct watch *watch = object;
    for (size_t i = 0; i < watch->count; i++)
        memory_free_raw(watch->files[i].name);
    memory_free_raw(watch->files);
    if (watch->fd >= 0)
        close(watch->fd);
}

int watch_create(struct watch **watchp)
{
    struct watch *watch = memory_alloc(sizeof *watch, destroy);
    if (!watch)
        return ERROR_MEMORY;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0) {
        memory_release(watch);
        return ERROR_LIMIT;
    }
    *watchp = watch;
    return 0;
}

static bool has_file(const struct watch *watch, int folder, const char *name)
{
    for (size_t i = 0; i < watch->count; i++)
        if (watch->files[i].folder == folder && strcmp(watch->files[i].name, name) == 0)
            return true;
    return false;
}

static int watch_folder(struct watch *watch, const char *path, const char *name, int *folder)
{
    char parent[PATH_MAX];
    const char *end = name > path ? name - 1 : path; /* without the slash, but "/" is one */
    if (!text_to_array(name == path  ? TEXT(".")
                       : end == path ? TEXT("/")
                                     : text_span(path, end),
                       parent, sizeof parent))
        return ERROR_NOT_FOUND;
    *folder = inotify_add_watch(watch->fd, parent, CHANGES | IN_ONLYDIR);
    if (*folder >= 0)
        return 0;
    return errno == ENOSPC || errno == ENOMEM ? ERROR_LIMIT : ERROR_NOT_FOUND;
}

int watch_add(struct watch *watch, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int folder;
    int error = watch_folder(watch, path, name, &folder);
    if (error || has_file(watch, folder, name))
        return error;
    struct watched_file *files =
        memory_raw_resize(watch->files, (watch->count + 1) * sizeof *watch->files);
    if (!files)
        return ERROR_MEMORY;
    watch->files = files;
    files[watch->count] = (struct watched_file){folder, text_strdup(text_of(name))};
    if (!files[watch->count].name)
        return ERROR_MEMORY;
    watch->count++;
    return 0;
}

void watch_widen(struct watch *watch, struct text suffix)
{
    watch->suffix = suffix;
}

int watch_descriptor(const struct watch *watch)
{
    return watch->fd;
}

static bool is_ours(const struct watch *watch, const struct inotify_event *event)
{
    struct text name = text_of(event->len ? event->name : "");
    struct text suffix = watch->suffix;
    if (event->mask & IN_Q_OVERFLOW)
        return true; /* events were lost: it might have been */
    if (suffix.n && name.n > suffix.n &&
        memcmp(name.p + name.n - suffix.n, suffix.p, suffix.n) == 0)
        return true;
    return name.n && has_file(watch, event->wd, event->name);
}

bool watch_take(struct watch *watch)
{
    _Alignas(struct inotify_event) char events[EVENTS_BYTES];
    bool is_changed = false;
    for (;;) {
        ssize_t n = read(watch->fd, events, sizeof events);
        if (n <= 0)
            return is_changed;
        for (char *at = events; at < events + n;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            is_changed |= is_ours(watch, event);
            at += sizeof *event + event->len;
        }
    }
}
