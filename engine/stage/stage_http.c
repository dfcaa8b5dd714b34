/* HTTP servers of the lab as a spec sees them: one set of answers for all engines of the stage. */
#include "base/error.h"
#include "stage/stage_private.h"

static int make_lab(struct stage *stage)
{
    int error = http_lab_create(&stage->http);
    for (int i = 0; i < STAGE_ENGINES && !error; i++)
        if (stage->engines[i].engine)
            http_use_lab(engine_http(stage->engines[i].engine), stage->http);
    return error;
}

int stage_http_set(struct stage *stage, const struct stage_http_answer *answer)
{
    if (stage->is_real)
        return ERROR_UNSUPPORTED;
    int error = stage->http ? 0 : make_lab(stage);
    if (error)
        return error;
    return http_lab_set(stage->http, &(struct http_lab_answer){
                                         .url = text_of(answer->url),
                                         .status = answer->status,
                                         .head = text_of(answer->head),
                                         .body = {answer->body, answer->body_bytes},
                                         .delay_ms = answer->delay_ms,
                                         .error = answer->error,
                                     });
}

bool stage_http_request(const struct stage *stage, size_t i, struct stage_http_request *request)
{
    if (!stage->http || i >= http_lab_count(stage->http))
        return false;
    struct http_lab_request arrived = http_lab_request_at(stage->http, i);
    *request = (struct stage_http_request){
        .method = arrived.method.p,
        .url = arrived.url.p,
        .head = arrived.head.p,
        .body = arrived.body.p,
        .method_bytes = arrived.method.n,
        .url_bytes = arrived.url.n,
        .head_bytes = arrived.head.n,
        .body_bytes = arrived.body.n,
    };
    return true;
}
