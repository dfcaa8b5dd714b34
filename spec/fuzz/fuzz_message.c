/*
 * Any bytes: parsed, every accessor asked, edited at random (the bytes decide), printed, parsed
 * again. What is printed without edits must equal what was received, and what parses once must
 * parse again after edits that keep it well-formed.
 */
#include "base/memory.h"
#include "sip/response.h"
#include "sip/sanity.h"

#include <stdlib.h>

#define EDIT_STEPS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void ask_everything(struct message *msg)
{
    struct text name = {"x-foo", 5};
    address_parse(&msg->source.peer, TEXT("192.0.2.1:4000"), 0);
    message_via(msg);
    message_via_second(msg);
    message_via_with_source(msg);
    message_from_tag(msg);
    message_to_tag(msg);
    message_contact(msg);
    message_request_uri(msg);
    message_max_forwards(msg);
    message_header_named(msg, name);
    for (size_t i = 0; i < msg->header_count; i++) {
        struct text line = msg->headers[i].line;
        require(line.p >= msg->head.p && line.p + line.n <= msg->head.p + msg->head.n);
        message_header_next(msg, &msg->headers[i]);
    }
}

static void respond(struct message *msg)
{
    struct buffer out = {0};
    struct response_options options = {
        .status = 400, .to_tag = TEXT("t"), .copy_record_route = true};
    response_print(&out, msg, &options);
    buffer_release(&out);
}

static void cut_first_route(struct edits *edits)
{
    struct header_view view;
    if (!edits_header(edits, HEADER_ROUTE, TEXT_NONE, &view))
        return;
    struct text rest = view.value;
    name_addr_split(&rest);
    edits_keep_end(edits, &view, rest);
}

static void edit(struct edits *edits, uint8_t step)
{
    struct header_view view = {0};
    for (uint8_t skip = step >> 4; skip && edits_each(edits, &view); skip--)
        ;
    /* Via, From, To, Call-ID, CSeq, Content-Length decide whether a message parses: left alone. */
    bool is_free = view.place && (view.kind == HEADER_OTHER || view.kind > HEADER_CONTENT_LENGTH);
    switch (step & 7) {
    case 0:
        if (is_free)
            edits_remove(edits, &view);
        break;
    case 1:
        if (is_free)
            edits_replace(edits, &view, TEXT("replaced"));
        break;
    case 2:
        if (view.place)
            edits_insert_before(edits, &view, TEXT("Inserted"), TEXT("1"));
        break;
    case 3:
        edits_prepend(edits, HEADER_VIA, TEXT("Via"), TEXT("SIP/2.0/UDP p;branch=z9hG4bKp"));
        break;
    case 4: edits_set(edits, TEXT("X-Set"), TEXT("s")); break;
    case 5: cut_first_route(edits); break;
    case 6: edits_set_body(edits, TEXT("another body"), TEXT("text/plain")); break;
    default: edits_remove_all(edits, TEXT("X-Set"));
    }
}

static void edit_and_print(struct message *msg, const struct settings *settings,
                           const uint8_t *steps, size_t count)
{
    struct edits *edits = NULL, *child = NULL;
    struct buffer out = {0};
    struct message *again = NULL;
    struct message_fault fault;
    require(!edits_begin(&edits, msg, NULL));
    edits_print(edits, &out);
    require(text_equal(buffer_text(&out), msg->bytes));
    for (size_t i = 0; i < count / 2; i++)
        edit(edits, steps[i]);
    require(!edits_begin(&child, msg, edits));
    for (size_t i = count / 2; i < count; i++)
        edit(child, steps[i]);
    buffer_clear(&out);
    edits_print(child, &out);
    int error = message_parse(&again, buffer_text(&out), settings, &fault);
    require(error == 0 || error == -4 /* ERROR_LIMIT: the edits made it longer */);
    if (!error)
        require(text_equal(again->body, edits_body(child)) &&
                text_equal(again->call_id, msg->call_id));
    memory_release(again);
    buffer_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t steps = size > EDIT_STEPS ? EDIT_STEPS : 0;
    struct text bytes = {(const char *)data, size - steps};
    struct settings settings;
    struct message *msg = NULL;
    struct message_fault fault;
    settings_default(&settings);
    struct text call_id = message_peek_call_id(bytes);
    int error = message_parse(&msg, bytes, &settings, &fault);
    if (!error) {
        require(text_equal(call_id, msg->call_id));
        ask_everything(msg);
        if (msg->is_request)
            sanity_check(msg);
        edit_and_print(msg, &settings, data + size - steps, steps);
    }
    if (msg && msg->is_request)
        respond(msg);
    memory_release(msg);
    return 0;
}
