/* One open file and what was put aside of it: PATH.20260131T235959Z, by the time of the rotation. */
#include "record/file.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "record/record.h"
#include "record/tail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MODE            0640 /* who called whom is nobody's business */
#define SUFFIX_BYTES    40
#define SAME_SECOND     100       /* files of one second that get names of their own */
#define TAIL_MOST_BYTES (1 << 20) /* of an unended line that are looked at */

struct record_file {
    char *path; /* owned */
    struct log *log;
    struct record_file_limits limits;
    int descriptor; /* -1: not open */
    uint64_t size_bytes, opened_ms;
    uint64_t rotations;
    bool is_within_line; /* the disk took half of one */
    bool is_refused;     /* and it was said */
    bool is_unsynced;
};

static void close_it(struct record_file *file)
{
    if (file->descriptor < 0)
        return;
    record_file_sync(file);
    close(file->descriptor);
    file->descriptor = -1;
}

static void destroy(void *object)
{
    struct record_file *file = object;
    close_it(file);
    memory_free_raw(file->path);
}

int record_file_create(struct record_file **filep, const char *path, struct log *log)
{
    struct record_file *file = memory_alloc(sizeof *file, destroy);
    if (!file)
        return ERROR_MEMORY;
    file->descriptor = -1;
    file->log = log;
    file->path = text_strdup(text_of(path));
    if (!file->path) {
        memory_release(file);
        return ERROR_MEMORY;
    }
    *filep = file;
    return 0;
}

void record_file_set_limits(struct record_file *file, const struct record_file_limits *limits)
{
    file->limits = *limits;
}

/* ---- what is said of the disk ---- */

static void note_refused(struct record_file *file, const char *what, int number)
{
    if (!file->is_refused)
        log_error(file->log, LOG_RECORD, TEXT_NONE,
                  "%s cannot be %s: %s; records wait in memory until it can", file->path, what,
                  strerror(number));
    file->is_refused = true;
}

static void note_taken(struct record_file *file)
{
    if (file->is_refused)
        log_info(file->log, LOG_RECORD, TEXT_NONE, "%s is written again", file->path);
    file->is_refused = false;
}

/* ---- opening ---- */

/* Was it to become a record? A machine that lost its power leaves zeros. */
static bool is_torn_record(struct text tail)
{
    struct text begin = TEXT(RECORD_LINE_BEGIN);
    size_t n = tail.n < begin.n ? tail.n : begin.n;
    return tail.p[0] == 0 || text_starts_with(begin, (struct text){tail.p, n});
}

static bool is_whole_record(struct text tail)
{
    json_t *json = json_loadb(tail.p, tail.n, 0, NULL);
    bool is_whole = json_is_object(json);
    json_decref(json);
    return is_whole;
}

/*
 * Is what stands behind the last line end half a record? One that lacks nothing but its line end is
 * whole, and what is no record is somebody else's text.
 */
static bool is_half_record(int descriptor, uint64_t from, uint64_t size_bytes)
{
    struct buffer tail = {0};
    size_t n = size_bytes - from < TAIL_MOST_BYTES ? (size_t)(size_bytes - from) : TAIL_MOST_BYTES;
    buffer_reserve(&tail, n);
    bool is_half = !tail.error && pread(descriptor, tail.p, n, (off_t)from) == (ssize_t)n;
    if (is_half) {
        tail.n = n;
        is_half = is_torn_record(buffer_text(&tail)) && !is_whole_record(buffer_text(&tail));
    }
    buffer_release(&tail);
    return is_half;
}

/*
 * The end of a process may have torn the last line: half a record is cut off, so that every line is
 * one; anything else is ended.
 * @return 0 or an errno; *size_bytes is what it is then
 */
static int mend_last_line(struct record_file *file, int descriptor, uint64_t *size_bytes)
{
    uint64_t end;
    if (tail_find(descriptor, 0, *size_bytes, &end))
        return errno;
    if (end == *size_bytes)
        return 0;
    if (is_half_record(descriptor, end, *size_bytes) && ftruncate(descriptor, (off_t)end) == 0) {
        log_warning(file->log, LOG_RECORD, TEXT_NONE,
                    "%s: half a record that an earlier process left at its end, %" PRIu64
                    " bytes, was cut off",
                    file->path, *size_bytes - end);
        *size_bytes = end;
        return 0;
    }
    if (write(descriptor, "\n", 1) != 1)
        return errno;
    ++*size_bytes;
    return 0;
}

static bool open_it(struct record_file *file, uint64_t now_ms)
{
    struct stat status;
    if (file->descriptor >= 0)
        return true;
    int descriptor = open(file->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, MODE);
    if (descriptor < 0 || fstat(descriptor, &status)) {
        note_refused(file, "opened", errno);
        if (descriptor >= 0)
            close(descriptor);
        return false;
    }
    bool is_regular = S_ISREG(status.st_mode);
    file->size_bytes = is_regular ? (uint64_t)status.st_size : 0;
    int failed = is_regular && !file->is_within_line
                     ? mend_last_line(file, descriptor, &file->size_bytes)
                     : 0;
    if (failed) {
        note_refused(file, "written", failed);
        close(descriptor);
        return false;
    }
    file->descriptor = descriptor;
    file->opened_ms = now_ms;
    return true;
}

int record_file_reopen(struct record_file *file)
{
    if (file->is_within_line)
        return ERROR_STATE;
    close_it(file);
    return 0;
}

/* ---- rotation ---- */

/* Is it PATH's name and a time behind it? */
static bool is_aside(const char *name, struct text base)
{
    struct text t = text_of(name);
    return text_starts_with(t, base) && t.n > base.n + 9 && t.p[base.n] == '.' &&
           t.p[base.n + 9] == 'T' && t.p[base.n + 1] >= '0' && t.p[base.n + 1] <= '9';
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void remove_in(struct text folder, const char *name)
{
    struct buffer path = {0};
    buffer_append(&path, folder);
    buffer_append(&path, text_of(name));
    buffer_append_char(&path, 0);
    if (!path.error)
        unlink(path.p);
    buffer_release(&path);
}

/* Names sort by time. @return names put aside, owned; *count of them */
static char **list_aside(DIR *open_folder, struct text base, size_t *count)
{
    char **names = NULL;
    struct dirent *entry;
    *count = 0;
    while ((entry = readdir(open_folder))) {
        if (!is_aside(entry->d_name, base))
            continue;
        char **more = memory_raw_resize(names, (*count + 1) * sizeof *names);
        char *name = text_strdup(text_of(entry->d_name));
        if (more)
            names = more;
        if (!more || !name) { /* the next rotation looks again */
            memory_free_raw(name);
            break;
        }
        names[(*count)++] = name;
    }
    return names;
}

static void remove_oldest(const struct record_file *file)
{
    const char *slash = strrchr(file->path, '/');
    struct text base = text_of(slash ? slash + 1 : file->path);
    struct text folder = slash ? text_span(file->path, slash + 1) : TEXT("");
    char *folder_path = text_strdup(folder.n ? folder : TEXT("."));
    DIR *open_folder = folder_path ? opendir(folder_path) : NULL;
    size_t count = 0;
    char **names = open_folder ? list_aside(open_folder, base, &count) : NULL;
    if (count)
        qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++) {
        if (i + file->limits.keep < count)
            remove_in(folder, names[i]);
        memory_free_raw(names[i]);
    }
    memory_free_raw(names);
    if (open_folder)
        closedir(open_folder);
    memory_free_raw(folder_path);
}

static void print_suffix(char suffix[SUFFIX_BYTES], uint64_t now_ms, unsigned again)
{
    struct tm utc;
    time_t seconds = (time_t)(now_ms / 1000);
    gmtime_r(&seconds, &utc);
    size_t n = strftime(suffix, SUFFIX_BYTES, ".%Y%m%dT%H%M%SZ", &utc);
    if (again)
        snprintf(suffix + n, SUFFIX_BYTES - n, "-%02u", again);
}

/* A name that nothing has. @return 0 or an errno */
static int move_aside(const struct record_file *file, uint64_t now_ms)
{
    for (unsigned again = 0; again < SAME_SECOND; again++) {
        struct buffer path = {0};
        char suffix[SUFFIX_BYTES];
        print_suffix(suffix, now_ms, again);
        buffer_printf(&path, "%s%s", file->path, suffix);
        buffer_append_char(&path, 0);
        int failed = path.error ? ENOMEM : link(file->path, path.p) ? errno : 0;
        buffer_release(&path);
        if (failed != EEXIST)
            return failed ? failed : unlink(file->path) ? errno : 0;
    }
    return EEXIST;
}

static int rotate(struct record_file *file, uint64_t now_ms)
{
    close_it(file);
    int failed = move_aside(file, now_ms);
    if (failed) {
        log_error(file->log, LOG_RECORD, TEXT_NONE, "%s cannot be put aside: %s; it grows on",
                  file->path, strerror(failed));
    } else {
        file->rotations++;
        if (file->limits.keep)
            remove_oldest(file);
    }
    file->opened_ms = now_ms; /* what failed is not tried again with every line */
    return failed ? ERROR_TRANSPORT : 0;
}

int record_file_rotate(struct record_file *file, uint64_t now_ms)
{
    if (file->is_within_line)
        return ERROR_STATE;
    if (!open_it(file, now_ms))
        return ERROR_TRANSPORT;
    return file->size_bytes ? rotate(file, now_ms) : 0;
}

static bool is_due(const struct record_file *file, uint64_t now_ms, size_t coming_bytes)
{
    const struct record_file_limits *limits = &file->limits;
    if (file->descriptor < 0 || file->is_within_line || !file->size_bytes)
        return false;
    return (limits->rotate_bytes && file->size_bytes + coming_bytes > limits->rotate_bytes) ||
           (limits->rotate_ms && now_ms >= file->opened_ms + limits->rotate_ms);
}

void record_file_tick(struct record_file *file, uint64_t now_ms)
{
    if (open_it(file, now_ms) && is_due(file, now_ms, 0))
        rotate(file, now_ms);
}

/* ---- appending ---- */

/* The first line, or the rest of one. */
static struct text first_line(struct text lines)
{
    const char *end = text_find(lines, '\n');
    return end ? text_span(lines.p, end + 1) : lines;
}

/* As many whole lines as stay within the size, at least one. */
static struct text next_piece(const struct record_file *file, struct text lines)
{
    struct text piece = first_line(lines);
    uint64_t most = file->limits.rotate_bytes;
    while (piece.n < lines.n) {
        struct text line = first_line((struct text){lines.p + piece.n, lines.n - piece.n});
        if (most && file->size_bytes + piece.n + line.n > most)
            break;
        piece.n += line.n;
    }
    return piece;
}

static size_t write_piece(struct record_file *file, struct text piece)
{
    size_t done = 0;
    while (done < piece.n) {
        ssize_t n = write(file->descriptor, piece.p + done, piece.n - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            note_refused(file, "written", n ? errno : EIO);
            break;
        }
        done += (size_t)n;
    }
    if (done) {
        file->size_bytes += done;
        file->is_within_line = piece.p[done - 1] != '\n';
        file->is_unsynced = true;
    }
    return done;
}

size_t record_file_append(struct record_file *file, struct text lines, uint64_t now_ms)
{
    size_t done = 0;
    while (done < lines.n) {
        struct text rest = {lines.p + done, lines.n - done};
        if (is_due(file, now_ms, first_line(rest).n))
            rotate(file, now_ms);
        if (!open_it(file, now_ms))
            return done;
        struct text piece = next_piece(file, rest);
        size_t n = write_piece(file, piece);
        done += n;
        if (n < piece.n)
            return done;
        note_taken(file);
    }
    return done;
}

void record_file_sync(struct record_file *file)
{
    if (file->descriptor >= 0 && file->is_unsynced)
        fdatasync(file->descriptor); /* what it refuses the next write is told, too */
    file->is_unsynced = false;
}

bool record_file_is_refused(const struct record_file *file)
{
    return file->is_refused;
}

uint64_t record_file_size_bytes(const struct record_file *file)
{
    return file->size_bytes;
}

uint64_t record_file_rotations(const struct record_file *file)
{
    return file->rotations;
}
