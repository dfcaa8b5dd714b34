/*
 * Log lines: level, group and the call they belong to. Lines of threads never mix. error = an operator must act; warning = we coped; info = one line per call; debug = per
 * message.
 */
#pragma once

#include "base/text.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/** Which part of the engine speaks. */
#define LOG_GROUPS(XX)                                                                             \
    XX(ENGINE, "engine")                                                                           \
    XX(CONFIG, "config")                                                                           \
    XX(IO, "io")                                                                                   \
    XX(SIP, "sip")                                                                                 \
    XX(TRANSPORT, "transport")                                                                     \
    XX(TRANSACTION, "transaction")                                                                 \
    XX(DIALOG, "dialog")                                                                           \
    XX(DISPATCHER, "dispatcher")                                                                   \
    XX(MEDIA, "media")                                                                             \
    XX(AUTH, "auth")                                                                               \
    XX(ROUTE, "route")                                                                             \
    XX(SCRIPT, "script")                                                                           \
    XX(LOCATION, "location")                                                                       \
    XX(TRUNK, "trunk")                                                                             \
    XX(DATABASE, "database")                                                                       \
    XX(RECORD, "record")                                                                           \
    XX(CONTROL, "control")

enum log_group {
#define XX(name, text) LOG_##name,
    LOG_GROUPS(XX)
#undef XX
        LOG_GROUP_COUNT
};

/** Takes one finished line without newline; any thread. */
typedef void log_sink(void *arg, enum log_level level, enum log_group group, struct text call_id,
                      struct text line);

struct log_buffer;

/** One engine's log; shared by its threads. */
struct log {
    _Atomic int level;
    log_sink *sink; /**< NULL: stderr */
    void *arg;
    struct log_buffer
        *buffer; /**< info and debug lines gather here; NULL: each is written at once */
};

/**
 * Gather info and debug lines, so that a busy engine makes one system call for many. Errors and
 * warnings are written at once, with what was gathered before them.
 * @param bufferp  returned owned, memory_release() after the last line. @return 0 or ERROR_MEMORY
 */
int log_buffer_create(struct log_buffer **bufferp);
/** Write what was gathered; any thread. */
void log_flush(struct log *log);

const char *log_level_name(enum log_level level);
/** @return 0 or ERROR_SYNTAX */
int log_level_parse(enum log_level *level, struct text name);
const char *log_group_name(enum log_group group);
static inline bool log_is_on(const struct log *log, enum log_level level)
{
    return (int)level <= log->level;
}
#define LOG_LINE_BYTES 4096 /* longer lines are cut */
/** @param call_id  whose call; TEXT_NONE for none */
void log_write(struct log *log, enum log_level level, enum log_group group, struct text call_id,
               const char *format, ...) __attribute__((format(printf, 5, 6), cold));

/** A line that is printed already, as log_write() in all else; ask log_is_on() before printing it. */
void log_text(struct log *log, enum log_level level, enum log_group group, struct text call_id,
              struct text line);

#define log_at(log, level, group, call_id, ...)                                                    \
    (log_is_on(log, level) ? log_write(log, level, group, call_id, __VA_ARGS__) : (void)0)
#define log_error(log, group, call_id, ...)   log_at(log, LOG_ERROR, group, call_id, __VA_ARGS__)
#define log_warning(log, group, call_id, ...) log_at(log, LOG_WARNING, group, call_id, __VA_ARGS__)
#define log_info(log, group, call_id, ...)    log_at(log, LOG_INFO, group, call_id, __VA_ARGS__)
#define log_debug(log, group, call_id, ...)   log_at(log, LOG_DEBUG, group, call_id, __VA_ARGS__)
