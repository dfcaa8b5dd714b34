/* HEAD, then lines. Written and read at given places: nobody else has the file. */
#include "record/spool.h"

#include "base/error.h"
#include "base/memory.h"
#include "record/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE       0640
#define MAGIC      "lunasip records "
#define HEAD_BYTES 37 /* MAGIC, twenty digits, a line end */
#define READ_BYTES 65536

struct spool {
    char *path; /* owned; NULL: in memory */
    struct log *log;
    int descriptor;
    uint64_t done, end; /* offsets: what the database has, what is appended */
    bool is_refused;    /* and it was said */
    bool is_unsynced;
};

static void destroy(void *object)
{
    struct spool *spool = object;
    if (spool->descriptor >= 0) {
        spool_sync(spool);
        close(spool->descriptor);
    }
    memory_free_raw(spool->path);
}

static int fail(struct spool *spool, const char *what)
{
    if (!spool->is_refused)
        log_error(spool->log, LOG_RECORD, TEXT_NONE, "%s cannot be %s: %s; records wait in memory",
                  spool->path ? spool->path : "the spool", what, strerror(errno));
    spool->is_refused = true;
    return ERROR_TRANSPORT;
}

static void write_head(struct spool *spool)
{
    char head[HEAD_BYTES + 1];
    snprintf(head, sizeof head, MAGIC "%020" PRIu64 "\n", spool->done);
    if (pwrite(spool->descriptor, head, HEAD_BYTES, 0) != HEAD_BYTES)
        fail(spool, "written"); /* at worst some rows are there twice */
    spool->is_unsynced = true;
}

/* ---- opening ---- */

/* The end of a process may have torn the last line: it was never whole, and goes. */
static int find_end(struct spool *spool, uint64_t size_bytes)
{
    if (tail_find(spool->descriptor, spool->done, size_bytes, &spool->end))
        return fail(spool, "read");
    return ftruncate(spool->descriptor, (off_t)spool->end) ? fail(spool, "cut") : 0;
}

/* The file was cut, and the process ended before it wrote so: the database has all that there was. */
static int take_cut(struct spool *spool)
{
    spool->done = spool->end = HEAD_BYTES;
    if (ftruncate(spool->descriptor, HEAD_BYTES))
        return fail(spool, "cut");
    write_head(spool);
    return 0;
}

static int read_head(struct spool *spool, uint64_t size_bytes)
{
    char head[HEAD_BYTES];
    struct text magic = TEXT(MAGIC);
    if (pread(spool->descriptor, head, sizeof head, 0) != HEAD_BYTES ||
        !text_starts_with((struct text){head, sizeof head}, magic) ||
        text_to_u64((struct text){head + magic.n, HEAD_BYTES - magic.n - 1}, &spool->done) ||
        spool->done < HEAD_BYTES) {
        log_error(spool->log, LOG_RECORD, TEXT_NONE, "%s is no spool of records", spool->path);
        return ERROR_TRANSPORT;
    }
    return spool->done > size_bytes ? take_cut(spool) : find_end(spool, size_bytes);
}

static int open_file(struct spool *spool)
{
    struct stat status;
    spool->descriptor = spool->path ? open(spool->path, O_RDWR | O_CREAT | O_CLOEXEC, MODE)
                                    : memfd_create("spool", MFD_CLOEXEC);
    if (spool->descriptor < 0 || fstat(spool->descriptor, &status))
        return fail(spool, "opened");
    if (spool->path && flock(spool->descriptor, LOCK_EX | LOCK_NB))
        return fail(spool, "locked (another lunasip has it)");
    if (status.st_size >= HEAD_BYTES)
        return read_head(spool, (uint64_t)status.st_size);
    spool->done = spool->end = HEAD_BYTES;
    write_head(spool);
    return 0;
}

int spool_create(struct spool **spoolp, const char *path, struct log *log)
{
    struct spool *spool = memory_alloc(sizeof *spool, destroy);
    if (!spool)
        return ERROR_MEMORY;
    spool->descriptor = -1;
    spool->log = log;
    spool->path = path ? text_strdup(text_of(path)) : NULL;
    int error = path && !spool->path ? ERROR_MEMORY : open_file(spool);
    if (error) {
        memory_release(spool);
        return error;
    }
    *spoolp = spool;
    return 0;
}

/* ---- lines ---- */

int spool_append(struct spool *spool, struct text lines, uint64_t most_bytes)
{
    if (spool_waiting_bytes(spool) + lines.n > most_bytes)
        return ERROR_LIMIT;
    for (size_t done = 0; done < lines.n;) {
        ssize_t n =
            pwrite(spool->descriptor, lines.p + done, lines.n - done, (off_t)(spool->end + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int error = fail(spool, "written");
            if (ftruncate(spool->descriptor, (off_t)spool->end)) /* half a line is none */
                spool->is_unsynced = true;
            return error;
        }
        done += (size_t)n;
    }
    if (spool->is_refused)
        log_info(spool->log, LOG_RECORD, TEXT_NONE, "%s is written again",
                 spool->path ? spool->path : "the spool");
    spool->is_refused = false;
    spool->end += lines.n;
    spool->is_unsynced = true;
    return 0;
}

/* Of what was read, the first whole lines. */
static size_t whole_lines(struct text t, size_t most)
{
    size_t size = 0;
    const char *end;
    while (most-- && (end = text_find((struct text){t.p + size, t.n - size}, '\n')))
        size = (size_t)(end + 1 - t.p);
    return size;
}

int spool_read(struct spool *spool, struct buffer *out, size_t most)
{
    size_t before = out->n, whole = 0;
    uint64_t from = spool->done;
    do { /* a line may be longer than what is read at once */
        size_t n = spool->end - from < READ_BYTES ? (size_t)(spool->end - from) : READ_BYTES;
        buffer_reserve(out, n);
        if (out->error)
            return out->error;
        if (pread(spool->descriptor, out->p + out->n, n, (off_t)from) != (ssize_t)n)
            return fail(spool, "read");
        out->n += n;
        from += n;
        whole = whole_lines((struct text){out->p + before, out->n - before}, most);
    } while (!whole && from < spool->end);
    out->n = before + whole;
    return 0;
}

void spool_done(struct spool *spool, uint64_t size_bytes)
{
    spool->done += size_bytes;
    if (spool->done >= spool->end && ftruncate(spool->descriptor, HEAD_BYTES) == 0)
        spool->done = spool->end = HEAD_BYTES;
    write_head(spool);
}

void spool_sync(struct spool *spool)
{
    if (spool->is_unsynced && spool->path)
        fdatasync(spool->descriptor);
    spool->is_unsynced = false;
}

uint64_t spool_waiting_bytes(const struct spool *spool)
{
    return spool->end - spool->done;
}
