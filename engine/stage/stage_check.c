/* What `lunasip check` finds, for specs. */
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "script/check.h"
#include "stage/stage.h"

#include <stdio.h>

int stage_check(const char *conf_path, const char *lua_dir, const char *route_path, char *fault,
                size_t fault_bytes)
{
    struct check_report *report;
    char *problem = NULL;
    int error = check_run(&report,
                          &(struct check_options){
                              .conf_path = conf_path,
                              .route_path = route_path,
                              .lua_dir = lua_dir,
                          },
                          &problem);
    if (error) {
        snprintf(fault, fault_bytes, "%s", problem ? problem : error_text(error));
        memory_free_raw(problem);
        return error;
    }
    if (check_fault_count(report)) {
        struct text text = text_trim(text_of(check_text(report)));
        snprintf(fault, fault_bytes, "%.*s", TEXT_ARG(text));
        error = ERROR_SCRIPT;
    }
    memory_release(report);
    return error;
}
