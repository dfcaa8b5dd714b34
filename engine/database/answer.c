/*
 * Answers. A builder gathers what a server says piece by piece; a finished answer is one counted block:
 * the struct, the values, the names, the bytes.
 */
#include "database/answer.h"

#include "base/error.h"
#include "base/list.h"
#include "base/memory.h"

#include <stdio.h>

/* ---- building ---- */

bool answer_has_failed(const struct answer_builder *builder)
{
    return builder->error != 0;
}

void answer_problem(struct answer_builder *builder, int error, const char *words)
{
    if (builder->error)
        return;
    answer_clear(builder);
    builder->error = error;
    struct text t = text_trim(text_of(words));
    snprintf(builder->problem, sizeof builder->problem, "%.*s", TEXT_ARG(t));
}

void answer_columns(struct answer_builder *builder, size_t count, const char *const *names)
{
    if (builder->error)
        return;
    buffer_clear(&builder->names);
    builder->column_count = count;
    for (size_t i = 0; i < count; i++)
        buffer_append(&builder->names, (struct text){names[i], strlen(names[i]) + 1});
}

void answer_value(struct answer_builder *builder, const struct database_value *value)
{
    if (builder->error)
        return;
    struct database_value copy = *value;
    if (copy.type != DATABASE_TEXT)
        copy.text = TEXT_NONE;
    size_t size_bytes = builder->values.n + sizeof copy + builder->bytes.n + copy.text.n;
    if (size_bytes > builder->bytes_most) {
        answer_problem(builder, ERROR_LIMIT, "the answer is larger than database.answer_bytes");
        return;
    }
    if (copy.text.n)
        buffer_append(&builder->bytes, copy.text);
    copy.text.p = (const char *)(uintptr_t)(builder->bytes.n - copy.text.n);
    buffer_append(&builder->values, (struct text){(const char *)&copy, sizeof copy});
    builder->value_count++;
}

void answer_affected(struct answer_builder *builder, uint64_t rows)
{
    builder->affected_rows = rows;
}

void answer_clear(struct answer_builder *builder)
{
    buffer_release(&builder->names);
    buffer_release(&builder->values);
    buffer_release(&builder->bytes);
    *builder = (struct answer_builder){.bytes_most = builder->bytes_most};
}

/* ---- finished ones ---- */

struct plain_answer {
    struct database_answer answer;
    char problem[DATABASE_PROBLEM_BYTES];
};

struct database_answer *answer_plain(database_done_handler *done, void *arg)
{
    struct plain_answer *plain = memory_alloc(sizeof *plain, NULL);
    if (!plain)
        return NULL;
    plain->answer.problem = plain->problem;
    plain->answer.done = done;
    plain->answer.arg = arg;
    return &plain->answer;
}

void answer_fail(struct database_answer *answer, int error, const char *words)
{
    struct plain_answer *plain = (struct plain_answer *)answer;
    answer->error = error;
    snprintf(plain->problem, sizeof plain->problem, "%s", words);
}

static void fill(struct database_answer *answer, const struct answer_builder *builder)
{
    struct database_value *values = (struct database_value *)(answer + 1);
    const char **names = (const char **)(values + builder->value_count);
    char *name = (char *)(names + builder->column_count);
    char *bytes = name + builder->names.n;
    if (builder->names.n)
        memcpy(name, builder->names.p, builder->names.n);
    if (builder->bytes.n)
        memcpy(bytes, builder->bytes.p, builder->bytes.n);
    if (builder->values.n)
        memcpy(values, builder->values.p, builder->values.n);
    for (size_t i = 0; i < builder->value_count; i++) {
        bool is_text = values[i].type == DATABASE_TEXT;
        values[i].text.p = is_text ? bytes + (uintptr_t)values[i].text.p : NULL;
    }
    for (size_t i = 0; i < builder->column_count; i++) {
        names[i] = name;
        name += strlen(name) + 1;
    }
    answer->names = names;
    answer->values = values;
    answer->column_count = builder->column_count;
    answer->row_count = builder->value_count / builder->column_count;
}

struct database_answer *answer_finish(struct answer_builder *builder, struct database_answer *plain)
{
    if (builder->names.error || builder->values.error || builder->bytes.error)
        answer_problem(builder, ERROR_MEMORY, "");
    struct database_answer *answer = plain;
    if (!builder->error && builder->column_count) {
        size_t room_bytes = builder->values.n + builder->column_count * sizeof(const char *) +
                            builder->names.n + builder->bytes.n;
        answer = memory_alloc_room(sizeof *answer, room_bytes, NULL);
        if (answer) {
            answer->problem = "";
            answer->done = plain->done;
            answer->arg = plain->arg;
            fill(answer, builder);
            memory_release(plain);
        } else {
            answer = plain;
            answer_problem(builder, ERROR_MEMORY, "");
        }
    }
    if (builder->error)
        answer_fail(answer, builder->error, builder->problem);
    else
        answer->affected_rows = builder->affected_rows;
    answer_clear(builder);
    return answer;
}

/* ---- on the way home ---- */

static void deliver(struct mail *mail)
{
    const struct database_answer *answer = CONTAINER_OF(mail, struct database_answer, mail);
    answer->done(answer->arg, answer);
}

void database_answer_deliver(struct database_answer *answer)
{
    deliver(&answer->mail);
    memory_release(answer);
}

static bool post(void *arg, struct database_answer *answer)
{
    answer->mail.deliver = deliver;
    mailbox_post(arg, &answer->mail);
    return true;
}

struct database_home database_mailbox_home(struct mailbox *mailbox)
{
    return (struct database_home){post, mailbox};
}
