/* Error numbers shared by every floor. A function returns 0 or one of these (negative). */
#pragma once

#define ENGINE_ERRORS(XX)                                                                          \
    XX(ERROR_MEMORY, -1, "out of memory")                                                          \
    XX(ERROR_SYNTAX, -2, "malformed input")                                                        \
    XX(ERROR_STATE, -3, "not possible in this state")                                              \
    XX(ERROR_LIMIT, -4, "a configured limit is reached")                                           \
    XX(ERROR_TRANSPORT, -5, "transport failure")                                                   \
    XX(ERROR_TIMEOUT, -6, "timed out")                                                             \
    XX(ERROR_NOT_FOUND, -7, "not found")                                                           \
    XX(ERROR_ARGUMENT, -8, "wrong argument")                                                       \
    XX(ERROR_CANCELLED, -9, "cancelled")                                                           \
    XX(ERROR_UNSUPPORTED, -10, "not supported")                                                    \
    XX(ERROR_IN_USE, -11, "address in use")                                                        \
    XX(ERROR_SCRIPT, -12, "script error")

/** What can go wrong; 0 is success everywhere. */
enum engine_error {
#define XX(name, number, text) name = number,
    ENGINE_ERRORS(XX)
#undef XX
};

/**
 * @param error  0 or an enum engine_error
 * @return a static English phrase, "ok" for 0
 */
const char *error_text(int error) __attribute__((cold));

/* Called by the two macros below; prints one line to stderr. */
void engine_check_failed(const char *condition, const char *file, int line) __attribute__((cold));
_Noreturn void engine_require_failed(const char *condition, const char *file, int line)
    __attribute__((cold));

/** True when @p x holds; otherwise says so once on stderr and is false: a bug that we survive. */
#define engine_check(x) ((x) ? 1 : (engine_check_failed(#x, __FILE__, __LINE__), 0))

/** Ends the process when @p x does not hold: nothing sensible can follow. Never for network input. */
#define engine_require(x) ((x) ? (void)0 : engine_require_failed(#x, __FILE__, __LINE__))
