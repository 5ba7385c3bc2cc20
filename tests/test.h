/* What every cmocka test includes, in the order cmocka wants it. */
#ifndef CDUL_TESTS_TEST_H
#define CDUL_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cdul/error.h"

/* Tests leave files where they run, and ctest runs each in a folder of its own. */
__attribute__((constructor)) static void refuse_the_source_folder(void) {
    if (access("CMakeLists.txt", F_OK) != 0) return;
    fputs("run this by ctest, or in an empty folder\n", stderr);
    _exit(2);
}

/* Fails the test with the library's own message. */
#define assert_ok(call)                                                                            \
    do {                                                                                           \
        if ((call) != CDUL_OK) fail_msg("%s: %s", #call, err.message);                             \
    } while (0)

/* The call must fail with `want`, and its message must contain `text`. */
#define assert_fails(call, want, text)                                                             \
    do {                                                                                           \
        assert_int_equal((call), (want));                                                          \
        if (!strstr(err.message, (text)))                                                          \
            fail_msg("message lacks \"%s\": %s", (text), err.message);                             \
    } while (0)

#endif
