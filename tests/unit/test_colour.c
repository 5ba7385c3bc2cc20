#include "test.h"

#include "cdul/image.h"

static cdul_error err;

static void six_hexadecimal_digits_are_a_colour(void **state) {
    (void)state;
    uint8_t rgb[3];
    assert_ok(cdul_colour_parse("ff8000", rgb, &err));
    assert_true(rgb[0] == 255 && rgb[1] == 128 && rgb[2] == 0);
    assert_ok(cdul_colour_parse("0aBcDe", rgb, &err));
    assert_true(rgb[0] == 0x0a && rgb[1] == 0xbc && rgb[2] == 0xde);
}

static void anything_else_is_refused(void **state) {
    (void)state;
    const char *wrong[] = {"", "fff", "fffffff", "#ffffff", "gg0000", "white "};
    uint8_t rgb[3];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_fails(cdul_colour_parse(wrong[i], rgb, &err), CDUL_ERR_USAGE,
                     "six hexadecimal digits");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(six_hexadecimal_digits_are_a_colour),
        cmocka_unit_test(anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
