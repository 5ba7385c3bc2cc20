/* Formats the messages of errors, one line each. */
#include "cdul/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

cdul_status cdul_fail(cdul_error *err, cdul_status status, const char *format, ...) {
    if (!err) return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    /* One error, one line: a file name with a newline in it must not forge a second message. */
    for (char *c = err->message; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = ' ';
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
    char prefix[sizeof err->message], message[sizeof err->message];
    memcpy(message, err->message, sizeof message);
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    cdul_fail(err, CDUL_OK, "%s: %s", prefix, message);
}

cdul_status cdul_fail_memory(cdul_error *err, const char *what) {
    return cdul_fail(err, CDUL_ERR_MEMORY, "out of memory: %s", what);
}
