/* Formats the messages of errors, one line each. */
#include "cdul/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One error, one line: a file name with a newline in it must not forge a second message. */
static void flatten(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f) *text = ' ';
}

cdul_status cdul_fail(cdul_error *err, cdul_status status, const char *format, ...) {
    if (!err) return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    flatten(err->message);
    return status;
}

cdul_status cdul_fail_errno(cdul_error *err, const char *format, ...) {
    int code = errno;
    if (!err) return CDUL_ERR_IO;
    char where[sizeof err->message - 128];
    va_list args;
    va_start(args, format);
    vsnprintf(where, sizeof where, format, args);
    va_end(args);
    return cdul_fail(err, CDUL_ERR_IO, "%s: %s", where, strerror(code));
}

void cdul_error_prefix(cdul_error *err, const char *format, ...) {
    if (!err) return;
    char prefix[sizeof err->message], whole[2 * sizeof err->message + 2];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    snprintf(whole, sizeof whole, "%s: %s", prefix, err->message);
    memcpy(err->message, whole, sizeof err->message);
    err->message[sizeof err->message - 1] = '\0';
    flatten(err->message);
}

cdul_status cdul_fail_memory(cdul_error *err, const char *what) {
    return cdul_fail(err, CDUL_ERR_MEMORY, "out of memory: %s", what);
}
