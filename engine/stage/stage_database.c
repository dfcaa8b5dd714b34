/*
 * Databases of the lab as a spec sees them: the stage opens each URL for itself, which shares the tables of
 * the engines' own and keeps them when an engine ends.
 */
#include "base/error.h"
#include "base/memory.h"
#include "control/commands.h"
#include "stage/stage_private.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static int open_databases(struct stage *stage)
{
    struct settings settings;
    if (stage->databases)
        return 0;
    settings_default(&settings);
    int error = databases_create(
        &stage->databases, &(struct databases_options){stage->io, &settings, &stage->database_log});
    return error ? error : databases_start(stage->databases);
}

int stage_database(struct stage *stage, const char *url)
{
    for (int i = 0; i < stage->database_count; i++)
        if (text_equal(text_of(stage->database_places[i].url), text_of(url)))
            return i;
    if (stage->is_real)
        return ERROR_UNSUPPORTED;
    if (stage->database_count == STAGE_DATABASES)
        return ERROR_LIMIT;
    struct stage_database_place *place = &stage->database_places[stage->database_count];
    *place = (struct stage_database_place){.url = text_strdup(text_of(url))};
    int error = place->url ? open_databases(stage) : ERROR_MEMORY;
    if (!error)
        error = databases_open(stage->databases, url, &place->database);
    if (error) {
        memory_free_raw(place->url);
        return error;
    }
    return stage->database_count++;
}

int stage_database_load(struct stage *stage, int database, const char *sql, char *fault,
                        size_t fault_bytes)
{
    const char *problem = "";
    int error = database_lab_load(stage->database_places[database].database, sql, &problem);
    if (error)
        snprintf(fault, fault_bytes, "%s", problem);
    return error;
}

static json_t *value_json(const struct database_value *value)
{
    switch (value->type) {
    case DATABASE_INTEGER: return json_integer((json_int_t)value->integer);
    case DATABASE_REAL: return json_real(value->real);
    case DATABASE_TEXT: return command_json_text(value->text);
    case DATABASE_NULL: break;
    }
    return NULL;
}

static json_t *rows_json(const struct database_answer *answer)
{
    json_t *rows = json_array();
    for (size_t row = 0; row < answer->row_count; row++) {
        json_t *object = json_object();
        for (size_t column = 0; column < answer->column_count; column++) {
            json_t *value = value_json(database_at(answer, row, column));
            if (value)
                json_object_set_new(object, answer->names[column], value);
        }
        json_array_append_new(rows, object);
    }
    return rows;
}

const char *stage_database_rows(struct stage *stage, int database, const char *sql, char *fault,
                                size_t fault_bytes)
{
    struct database_answer *answer =
        database_lab_run(stage->database_places[database].database, text_of(sql));
    free(stage->answer);
    stage->answer = NULL;
    if (!answer || answer->error) {
        snprintf(fault, fault_bytes, "%s", answer ? answer->problem : error_text(ERROR_MEMORY));
    } else {
        json_t *rows = rows_json(answer);
        stage->answer = json_dumps(rows, JSON_COMPACT);
        json_decref(rows);
    }
    memory_release(answer);
    return stage->answer;
}

void stage_databases_impair(struct stage *stage)
{
    for (int i = 0; i < stage->database_count; i++) {
        const struct stage_database_place *place = &stage->database_places[i];
        for (int j = 0; j < STAGE_ENGINES; j++) {
            struct engine *engine = stage->engines[j].engine;
            struct database *database =
                engine ? databases_find(engine_databases(engine), place->url) : NULL;
            if (database)
                database_lab_impair(database, place->delay_ms, place->error);
        }
    }
}

void stage_database_impair(struct stage *stage, int database, uint32_t delay_ms, int error)
{
    stage->database_places[database].delay_ms = delay_ms;
    stage->database_places[database].error = error;
    stage_databases_impair(stage);
}

void stage_databases_release(struct stage *stage)
{
    for (int i = 0; i < stage->database_count; i++) {
        databases_close(stage->databases, stage->database_places[i].database);
        memory_free_raw(stage->database_places[i].url);
    }
    stage->databases = memory_release(stage->databases);
}
