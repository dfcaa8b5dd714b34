/*
 * A stage for the lab and the demo: one world, the engines in it, the sockets of scripted agents,
 * and everything that an author wants to see: datagrams, log lines, status. Plain C for LuaJIT's
 * FFI: no callbacks; Lua asks, step by step. Strings are NUL-terminated, addresses "HOST:PORT".
 * lua/lunasip/stage.lua holds the same declarations for ffi.cdef.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stage;

/** @param is_real  real sockets and clock (the demo), else the virtual world of @p seed. NULL without memory */
struct stage *stage_create(bool is_real, uint64_t seed);
/** Stop the engines, close everything. Accepts NULL. */
void stage_release(struct stage *stage);

/**
 * Make an engine and start it.
 * @param route_path  NULL: the configuration's
 * @param workers     0: the configuration's
 * @param fault       receives one line on error
 * @return index of the engine (from 0), or a negative enum engine_error
 */
int stage_engine(struct stage *stage, const char *conf_path, const char *lua_dir,
                 const char *route_path, unsigned workers, int log_level, char *fault,
                 size_t fault_bytes);
/**
 * What `lunasip check` finds in a configuration and its script; no engine is made.
 * @param route_path  NULL: the configuration's
 * @param fault       receives its words, a line or more for each fault
 * @return 0, ERROR_SCRIPT when there are faults, or another negative error
 */
int stage_check(const char *conf_path, const char *lua_dir, const char *route_path, char *fault,
                size_t fault_bytes);
/** Stop one engine for good; its calls end. */
void stage_engine_stop(struct stage *stage, int engine);
/** @return 0 or a negative error with @p fault filled */
int stage_reload(struct stage *stage, int engine, const char *route_path, char *fault,
                 size_t fault_bytes);
/** A verb of `lunasip ctl`. @param words JSON array. @return JSON object {code, text, data}, borrowed until the next call */
const char *stage_command(struct stage *stage, int engine, const char *words);

/** What its calls hold: transactions, dialogs, calls with media, ports, and ports that went astray. */
void stage_held(struct stage *stage, int engine, uint64_t counts[5]);

/* ---- sockets of agents ---- */

/** @return socket number (from 1), or a negative error. Port 0 is chosen. */
int stage_socket_open(struct stage *stage, const char *address);
void stage_socket_close(struct stage *stage, int socket);
/** Where it is bound; borrowed until the next call. */
const char *stage_socket_address(struct stage *stage, int socket);
/** @return 0 or a negative error */
int stage_socket_send(struct stage *stage, int socket, const char *address, const char *bytes,
                      size_t size_bytes);
/** A received datagram, oldest of all sockets first; borrowed until the next call. */
struct stage_datagram {
    int socket;
    const char *bytes;
    size_t size_bytes;
    const char *source;
    uint64_t time_us;
};
/** @return false when nothing is queued */
bool stage_receive(struct stage *stage, struct stage_datagram *datagram);

/* ---- time ---- */

/** Monotonic microseconds; virtual in the lab. */
uint64_t stage_now_us(const struct stage *stage);
/**
 * Go on until an agent has a datagram, or until @p until_us.
 * @return true when a datagram is queued
 */
bool stage_run(struct stage *stage, uint64_t until_us);

/* ---- what happened ---- */

/** Lab only: a datagram that crossed the network; borrowed until the next call. */
struct stage_packet {
    uint64_t time_us;
    const char *source, *destination, *bytes;
    size_t size_bytes;
    bool lost;
    uint64_t arrival_us[2]; /* UINT64_MAX: it does not arrive, or not twice */
    const char *cause;      /**< why the engine sent it: "route.lua:12", "timer A"; "": not said */
};
/** Oldest unseen packet. @return false when there is none */
bool stage_packet(struct stage *stage, struct stage_packet *packet);
/** Oldest unseen log line of any engine; borrowed until the next call. NULL: none */
struct stage_line {
    int engine, level;
    const char *group, *call_id, *text;
    uint64_t time_us;
};
bool stage_log(struct stage *stage, struct stage_line *line);
/**
 * Lab only: the oldest unseen record of a call, a line of JSON; borrowed until the next call.
 * @param engine  receives whose it is
 * @return NULL: there is none
 */
const char *stage_record(struct stage *stage, int *engine);
/** Lab only: all probabilities per mille, times in microseconds. */
void stage_impair(struct stage *stage, uint32_t loss, uint32_t duplicate, uint32_t reorder,
                  uint32_t delay_us, uint32_t jitter_us);
/**
 * Lab only: the same between two hosts, in both directions, instead of the above; the youngest that fits.
 * @param b  NULL: everybody
 * @return 0 or a negative error
 */
int stage_impair_link(struct stage *stage, const char *a, const char *b, uint32_t loss,
                      uint32_t duplicate, uint32_t reorder, uint32_t delay_us, uint32_t jitter_us);
/** Lab only: forget what stage_impair_link() said. */
void stage_heal_links(struct stage *stage);
/**
 * Lab only: one A, AAAA, SRV or NAPTR record.
 * @param value  "192.0.2.1", "PRIORITY WEIGHT PORT TARGET" or "ORDER PREFERENCE FLAGS SERVICE REPLACEMENT"
 * @return 0 or a negative error
 */
int stage_name(struct stage *stage, const char *name, const char *type, const char *value,
               uint32_t ttl_s);
/** Lab only: there is no such name any more; what the engine remembers is not touched. */
void stage_name_remove(struct stage *stage, const char *name);
/** Lab only: names are answered so much later. */
void stage_name_delay(struct stage *stage, uint32_t delay_ms);
/**
 * Lab only: the database of a URL as the engines of this stage see it, now and after they have ended.
 * @return its number (from 0), or a negative error
 */
int stage_database(struct stage *stage, const char *url);
/** Run statements separated by ';' at once: a schema. @return 0, or a negative error with @p fault filled */
int stage_database_load(struct stage *stage, int database, const char *sql, char *fault,
                        size_t fault_bytes);
/**
 * Run one statement at once, whatever is impaired.
 * @return JSON array of objects, borrowed until the next call; NULL with @p fault filled
 */
const char *stage_database_rows(struct stage *stage, int database, const char *sql, char *fault,
                                size_t fault_bytes);
/** For every engine: answers come so much later; every query fails with @p error (0: none does). */
void stage_database_impair(struct stage *stage, int database, uint32_t delay_ms, int error);
/** What HTTP servers of the lab answer to URLs that begin with @p url; see struct http_lab_answer. */
struct stage_http_answer {
    const char *url;
    unsigned status;
    const char *head; /**< lines "Name: value" */
    const char *body; /**< may hold NUL */
    size_t body_bytes;
    uint32_t delay_ms;
    int error; /**< instead of an answer; 0: none */
};
/** Lab only, for every engine. @return 0, ERROR_UNSUPPORTED (no lab) or ERROR_MEMORY */
int stage_http_set(struct stage *stage, const struct stage_http_answer *answer);
/** A request as it arrived; borrowed until the stage is released. */
struct stage_http_request {
    const char *method, *url, *head,
        *body; /**< head: lines "Name: value"; body: NULL when there was none */
    size_t method_bytes, url_bytes, head_bytes, body_bytes;
};
/** @return false when fewer than @p i + 1 requests have arrived */
bool stage_http_request(const struct stage *stage, size_t i, struct stage_http_request *request);
/** Lab only: count the lines of scripts that run, in engines made from now on. @return 0 or ERROR_MEMORY */
int stage_cover(struct stage *stage);
/** One script file: how often each line ran, from line 1; borrowed until the stage is released. */
struct stage_file {
    const char *path;
    const uint32_t *count;
    size_t lines; /**< count has that many, line 0 included */
};
/** @return false when there are not so many files, from 0 */
bool stage_covered(const struct stage *stage, size_t i, struct stage_file *file);
/** Objects of the engine alive in this process; the lab's leak check compares before and after. */
uint64_t stage_live_objects(void);
