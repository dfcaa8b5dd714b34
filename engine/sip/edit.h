/*
 * Changes to a received message: the bytes stay, a list of edits lies over them.
 *
 * A struct edits belongs to a message and may have a parent: what a branch changes lies over what
 * the request's route changed. Reading (edits_header()) and printing (edits_print()) see the whole
 * stack. Edits, and copies of the texts given to them, lie in the message's arena: whoever holds the
 * message has its edits, too, and nobody releases them.
 *
 * An edit is: remove header i; replace the value of header i; insert a line before header i; append
 * a line after the last header; replace the Request-URI; replace the body (Content-Length follows,
 * and is the only header that changes by itself). Everything else is sent as it came.
 */
#pragma once

#include "base/buffer.h"
#include "sip/message.h"

struct edits;

/** A header as it will be sent. */
struct header_view {
    struct text name, value; /**< borrowed from the message */
    enum header_kind kind;
    uint32_t place; /**< opaque: names the line in the calls below */
};

/**
 * @param editsp   a new layer, returned borrowed: lives as long as the message
 * @param parent   NULL, or edits of the same message that lie below. They must not change while this
 *                 layer is used (a branch is made when the request's route has decided).
 * @return 0 or ERROR_MEMORY
 */
int edits_begin(struct edits **editsp, struct message *message, const struct edits *parent);
/** @return true when nothing is changed, parents included */
bool edits_is_empty(const struct edits *edits);

/** Are there other headers of one of these kinds than were received? @param kinds  bit 1 << kind each */
bool edits_has_changed(const struct edits *edits, uint64_t kinds);

/* Reading what will be sent. */
bool edits_header(const struct edits *edits, enum header_kind kind, struct text name,
                  struct header_view *view);
bool edits_header_next(const struct edits *edits, const struct header_view *from,
                       struct header_view *view);
/** Every header in order; start with *view zeroed. */
bool edits_each(const struct edits *edits, struct header_view *view);
struct text edits_request_uri(const struct edits *edits);
struct text edits_body(const struct edits *edits);

/* Changing it. All return 0 or ERROR_MEMORY; ERROR_SYNTAX when a text holds CR or LF. */
int edits_set_request_uri(struct edits *edits, struct text uri);
int edits_remove(struct edits *edits, const struct header_view *view);
int edits_replace(struct edits *edits, const struct header_view *view, struct text value);
int edits_insert_before(struct edits *edits, const struct header_view *view, struct text name,
                        struct text value);
/** Before the first header of @p kind, or of all. Via, Record-Route, Route go here. */
int edits_prepend(struct edits *edits, enum header_kind kind, struct text name, struct text value);
int edits_append(struct edits *edits, struct text name, struct text value);
/** edits_prepend(), edits_append() of a line that we have printed, "Name: value\r\n": it is not checked. */
int edits_prepend_line(struct edits *edits, enum header_kind kind, struct text line);
int edits_append_line(struct edits *edits, enum header_kind kind, struct text line);
/** First of that name replaced, others of it removed; appended when there is none. */
int edits_set(struct edits *edits, struct text name, struct text value);
/** edits_set() of a header that is a number. */
int edits_set_number(struct edits *edits, enum header_kind kind, uint64_t number);
/** Remove every header of that name. @return number removed, or ERROR_MEMORY */
int edits_remove_all(struct edits *edits, struct text name);
/**
 * Cut the first elements of a comma-joined list off.
 * @param rest  the end of @p view's value: alone it is sent, or nothing of the line when it is empty
 */
int edits_keep_end(struct edits *edits, const struct header_view *view, struct text rest);
/** @param content_type  absent: keep. An empty @p body removes Content-Type. */
int edits_set_body(struct edits *edits, struct text body, struct text content_type);

/** Append the message as it is to be sent. Errors stay in @p out. */
void edits_print(const struct edits *edits, struct buffer *out);
/** Status line edits for responses: print a response with another status (best response rules). */
int edits_set_status(struct edits *edits, unsigned status, struct text reason);
