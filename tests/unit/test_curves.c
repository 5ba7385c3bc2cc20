/* Curves: well-formed SVG with the lines that belong there, whatever the classes are called. */
#include "test.h"

#include "base/file.h"
#include "cdul/report.h"

#include <expat.h>

static cdul_error err;

typedef struct counts {
    size_t lines, circles, texts;
    char path[4096]; /* of the last line */
} counts;

static void on_start(void *user, const char *element, const char **attributes) {
    counts *seen = user;
    const char *css = "", *data = "";
    for (; attributes[0]; attributes += 2) {
        if (strcmp(attributes[0], "class") == 0) css = attributes[1];
        if (strcmp(attributes[0], "d") == 0) data = attributes[1];
    }
    seen->texts += strcmp(element, "text") == 0;
    seen->circles += strcmp(element, "circle") == 0;
    if (strcmp(element, "path") != 0 || strncmp(css, "line", 4) != 0) return;
    seen->lines++;
    snprintf(seen->path, sizeof seen->path, "%s", data);
}

static counts parse(const char *path) {
    char *text;
    size_t size;
    counts seen = {0};
    XML_Parser parser = XML_ParserCreate(NULL);
    assert_ok(cdul_file_read_all(path, &text, &size, &err));
    XML_SetUserData(parser, &seen);
    XML_SetElementHandler(parser, on_start, NULL);
    if (XML_Parse(parser, text, (int)size, 1) == XML_STATUS_ERROR)
        fail_msg("%s: line %lu: %s", path, XML_GetCurrentLineNumber(parser),
                 XML_ErrorString(XML_GetErrorCode(parser)));
    XML_ParserFree(parser);
    free(text);
    return seen;
}

static void curves_are_well_formed_and_complete(void **state) {
    (void)state;
    const char *const truth_text =
        "image,<cat> & \"dog\",\xe7\x8a\xac,never\na,1,0,0\nb,0,1,0\nc,1,1,0\n";
    const char *const labels_text =
        "image,<cat> & \"dog\",\xe7\x8a\xac,never\na,0.9,0.1,0\nb,0.95,0.8,0\nc,0.8,0.7,0.5\n";
    assert_ok(cdul_file_write_all("t.csv", truth_text, strlen(truth_text), &err));
    assert_ok(cdul_file_write_all("a&b.csv", labels_text, strlen(labels_text), &err));
    const cdul_evaluation_options options = cdul_evaluation_defaults();
    cdul_evaluation *e = NULL;
    assert_ok(cdul_evaluation_open("t.csv", &options, &e, &err));
    for (int i = 0; i < 2; i++) assert_ok(cdul_evaluation_add(e, "a&b.csv", &err));
    assert_ok(cdul_evaluation_draw(e, "plots/new", &err));

    counts mean = parse("plots/new/precision-recall.svg");
    assert_int_equal(mean.lines, 2 + 2); /* a curve and its mark in the legend, for each file */
    counts classes = parse("plots/new/precision-recall-classes.svg");
    assert_int_equal(classes.lines, 2 + 2 * 2); /* the class without positives has no curve */
    counts reliability = parse("plots/new/reliability.svg");
    assert_int_equal(reliability.lines, 2 + 2);
    assert_int_equal(reliability.circles, 2 * 7); /* bins of 0, 0.1, 0.5, 0.7, 0.8, 0.9, 0.95 */

    cdul_evaluation_close(e);
}

/* Ranked: wrong, right, right of 2: precision 1/2 and 2/3. Interpolated, all recalls have 2/3. */
static void precision_is_interpolated_at_each_recall(void **state) {
    (void)state;
    const char *const truth_text = "image,cat\na,1\nb,0\nc,1\n",
                      *const labels_text = "image,cat\na,0.9\nb,0.95\nc,0.8\n";
    assert_ok(cdul_file_write_all("t.csv", truth_text, strlen(truth_text), &err));
    assert_ok(cdul_file_write_all("l.csv", labels_text, strlen(labels_text), &err));
    const cdul_evaluation_options options = cdul_evaluation_defaults();
    cdul_evaluation *e = NULL;
    assert_ok(cdul_evaluation_open("t.csv", &options, &e, &err));
    assert_ok(cdul_evaluation_add(e, "l.csv", &err));
    assert_ok(cdul_evaluation_draw(e, "plots", &err));
    counts panel = parse("plots/precision-recall-classes.svg");
    /* A panel of 130 units at 20, 90: y = 90 + 130 / 3. */
    assert_memory_equal(panel.path, "M20.0 133.3L21.3 133.3", 22);
    assert_non_null(strstr(panel.path, "L150.0 133.3"));
    cdul_evaluation_close(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curves_are_well_formed_and_complete),
        cmocka_unit_test(precision_is_interpolated_at_each_recall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
