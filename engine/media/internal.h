/* What the files of this folder share about the relay as a whole. */
#pragma once

#include "media/media.h"
#include "media/port.h"
#include "media/thread.h"

/** Counted: one reference of its creator and one of each call. */
struct media {
    struct io *io;            /**< borrowed */
    struct settings settings; /**< read by media_setting() alone: a reload may change them */
    struct log *log;          /**< borrowed */
    struct media_interface *interfaces; /**< owned */
    size_t interface_count;
    struct port_pool **pools;     /**< two for each interface: v4, v6; NULL: no address */
    struct media_thread *threads; /**< owned */
    unsigned thread_count;
    bool is_stopped;              /**< commands run where they are posted */
    _Atomic uint32_t next_thread; /**< calls go round */
    _Atomic uint64_t calls;
};

/** One of the settings as it is now; any thread. */
#define media_setting(media, name) __atomic_load_n(&(media)->settings.name, __ATOMIC_RELAXED)

/** @return returned borrowed, NULL: unknown */
const struct media_interface *media_find_interface(const struct media *media, struct text name);
/** The ports of an interface: of @p family if it has one, else of what it has. */
struct port_pool *media_pool(const struct media *media, const struct media_interface *interface,
                             int family);
/** What SDP says for an address of that interface. */
struct text media_advertised(const struct media_interface *interface, const struct address *local,
                             char scratch[ADDRESS_TEXT_BYTES]);
