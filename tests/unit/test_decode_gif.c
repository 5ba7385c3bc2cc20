#include "image_golden.h"

static const char *const files[] = {
    "plain.gif",        "interlaced.gif", "transparent.gif", "two-colors.gif",
    "animated.gif",     "full-table.gif", "small-frame.gif", "small-frame-transparent.gif",
    "beyond-screen.gif"};

static void gif_first_frame_equals_pillow(void **state) {
    (void)state;
    decode_as_expected(files, COUNT(files), 0);
}

static void truncated_gif_is_an_error(void **state) {
    (void)state;
    /* What follows the last pixel: the end of the code stream and of the file. */
    every_truncation_fails("plain.gif", 3);
    every_truncation_fails("interlaced.gif", 3);
    every_truncation_fails("small-frame-transparent.gif", 3);
}

static void damaged_gif_is_survived(void **state) {
    (void)state;
    damage_is_survived(files, COUNT(files));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gif_first_frame_equals_pillow),
        cmocka_unit_test(truncated_gif_is_an_error),
        cmocka_unit_test(damaged_gif_is_survived),

    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
