/* Status and error text: how every fallible function of libcdul answers.
 *
 * A function that can fail returns a cdul_status and, on failure, writes one line into the caller's
 * cdul_error: what went wrong, where (file, image, class, byte), why, and what to do about it. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cdul_status {
    CDUL_OK = 0,
    CDUL_ERR_USAGE, /* the caller asked for something that cannot be: flag, config key, argument */
    CDUL_ERR_INPUT, /* a file or image says something malformed, unsupported or inconsistent */
    CDUL_ERR_IO, /* the operating system refused: missing file, permission, disk full */
    CDUL_ERR_MEMORY, /* allocation failed */
    CDUL_ERR_RUNTIME, /* ONNX Runtime or libtorch failed; their text is in the message */
    CDUL_ERR_CANCELLED, /* the caller's should_stop said so (progress.h); finished work is kept */
} cdul_status;

/* Filled on failure only. The message is one line, without a trailing newline, cut at the buffer's
 * end. */
typedef struct cdul_error {
    char message[1024];
} cdul_error;

#if defined(__GNUC__)
#define CDUL_MUST_CHECK        __attribute__((warn_unused_result))
#define CDUL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define CDUL_MUST_CHECK
#define CDUL_PRINTF(fmt, args)
#endif

/* Writes the message and returns `status`, so that failing is one statement:
 *     return cdul_fail(err, CDUL_ERR_INPUT, "%s: line %zu: class name is empty", path, line);
 * `err` may be NULL (the message is dropped). Line breaks in arguments become spaces. */
cdul_status cdul_fail(cdul_error *err, cdul_status status, const char *format, ...)
    CDUL_PRINTF(3, 4);

/* The same with errno's text appended (": No such file or directory"). Status is CDUL_ERR_IO. */
cdul_status cdul_fail_errno(cdul_error *err, const char *format, ...) CDUL_PRINTF(2, 3);

/* Puts "prefix: " before the message that `err` holds: how a caller adds where it happened. */
void cdul_error_prefix(cdul_error *err, const char *format, ...) CDUL_PRINTF(2, 3);

/* CDUL_ERR_MEMORY with a message that names what the memory was for. */
cdul_status cdul_fail_memory(cdul_error *err, const char *what);

#ifdef __cplusplus
}
#endif
