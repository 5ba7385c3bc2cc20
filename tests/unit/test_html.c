/* The report's page: its data as a JSON parser sees them, and what hostile names can do to it. How
 * it looks and answers in a browser is tests/e2e/report.sh. */
#include "test.h"

#include "base/file.h"
#include "base/json.h"
#include "report/markup.h"

static cdul_error err;

static cdul_strings make_classes(const char *a, const char *b, const char *c) {
    cdul_strings classes = {0};
    const char *const names[] = {a, b, c};
    for (int i = 0; i < 3; i++) assert_ok(cdul_strings_add(&classes, names[i], &err));
    return classes;
}

static char *read_page(const char *path) {
    char *text;
    size_t size;
    assert_ok(cdul_file_read_all(path, &text, &size, &err));
    return text;
}

/* The JSON in <script id="..."> of a page. */
static cJSON *data_of(const char *page, const char *id) {
    char start[80];
    cJSON *json = NULL;
    snprintf(start, sizeof start, "<script type=\"application/json\" id=\"%s\">", id);
    const char *first = strstr(page, start);
    assert_non_null(first);
    first += strlen(start);
    const char *last = strstr(first, "</script>");
    assert_non_null(last);
    assert_ok(cdul_json_parse(first, (size_t)(last - first), id, &json, &err));
    return json;
}

static double number(const cJSON *object, const char *key) {
    double value;
    assert_ok(cdul_json_number(object, key, "data", &value, NULL, &err));
    return value;
}

static size_t count(const char *text, const char *part) {
    size_t n = 0;
    for (; (text = strstr(text, part)); text++) n++;
    return n;
}

static const float scores[] = {0.1f, 0.95f, 0.5f};
static const bool picked[] = {false, true, true};

static void the_page_holds_what_was_added(void **state) {
    (void)state;
    cdul_strings classes = make_classes("cat", "dog", "cow");
    const float thresholds[] = {0.5f, 0.25f, 0.5f};
    unsigned char jpeg[] = "foobar";
    const cdul_thumbnail thumbnail = {.width = 30, .height = 20, .jpeg = jpeg, .size = 6};
    cdul_html_options options = cdul_html_defaults();
    cdul_html *html;
    options.images = 2;
    options.thresholds = thresholds;
    assert_ok(cdul_html_open("page.html", &options, &classes, &html, &err));
    cdul_html_add(html, 0, "a.jpg", &thumbnail, scores, picked);
    cdul_html_add(html, 1, "b.jpg", NULL, scores, picked);
    assert_ok(cdul_html_commit(&html, &err));
    assert_null(html);

    char *page = read_page("page.html");
    cJSON *images = data_of(page, "images"), *summary = data_of(page, "summary");
    assert_int_equal(cJSON_GetArraySize(images), 2);
    char *first = cJSON_PrintUnformatted(cJSON_GetArrayItem(images, 0));
    /* entropies of 0.1, 0.95 and 0.5: 0.469 + 0.286 + 1 bits */
    assert_string_equal(first, "[\"a.jpg\",30,20,\"Zm9vYmFy\",1.755,[1,950,1,2,500,1,0,100,0]]");
    assert_string_equal(cJSON_GetArrayItem(cJSON_GetArrayItem(images, 1), 3)->valuestring, "");
    assert_int_equal(number(summary, "images"), 2);
    assert_int_equal(number(summary, "labels"), 4);
    const cJSON *dog = cJSON_GetArrayItem(cJSON_GetObjectItem(summary, "classes"), 1);
    assert_int_equal(number(dog, "picked"), 2);
    assert_float_equal(number(dog, "threshold"), 0.25, 1e-9);
    /* 0.95 x 25 */
    assert_int_equal(cJSON_GetArrayItem(cJSON_GetObjectItem(dog, "bins"), 23)->valueint, 2);
    cJSON_free(first);
    cJSON_Delete(images);
    cJSON_Delete(summary);
    free(page);
    cdul_strings_free(&classes);
}

static void names_cannot_break_out_of_the_page(void **state) {
    (void)state;
    const char *const hostile = "</script><script>alert(1)</script><!--<script>\"'&\\\n\xff.jpg";
    cdul_strings classes = make_classes("</style></title><b>", "]]>", "\xe7\x8a\xac");
    cdul_html_options options = cdul_html_defaults();
    cdul_html *html;
    options.images = 1;
    options.title = hostile;
    options.subtitle = hostile;
    assert_ok(cdul_html_open("hostile.html", &options, &classes, &html, &err));
    cdul_html_add(html, 0, hostile, NULL, scores, picked);
    assert_ok(cdul_html_commit(&html, &err));
    char *page = read_page("hostile.html");
    assert_int_equal(count(page, "<script"), 3); /* images, summary, the page's own */
    assert_int_equal(count(page, "</script>"), 3);
    assert_int_equal(count(page, "</style>"), 1);
    assert_int_equal(count(page, "</title>"), 1);
    assert_int_equal(count(page, "<!--"), 0);
    cJSON *images = data_of(page, "images"), *summary = data_of(page, "summary");
    assert_string_equal(cJSON_GetArrayItem(cJSON_GetArrayItem(images, 0), 0)->valuestring,
                        "</script><script>alert(1)</script><!--<script>\"'&\\\n\xef\xbf\xbd.jpg");
    cJSON_Delete(images);
    cJSON_Delete(summary);
    free(page);
    cdul_strings_free(&classes);
}

static void nothing_is_loaded_from_elsewhere(void **state) {
    (void)state;
    char *page = read_page("page.html");
    assert_non_null(strstr(page, "default-src 'none'; img-src data:;"));
    assert_int_equal(count(page, "http://") - count(page, "http://www.w3.org/2000/svg"), 0);
    assert_int_equal(count(page, "https://"), 0);
    assert_int_equal(count(page, "src=\""), 0);
    free(page);
}

static void many_images_are_sampled_evenly_and_all_counted(void **state) {
    (void)state;
    cdul_strings classes = make_classes("cat", "dog", "cow");
    cdul_html_options options = cdul_html_defaults();
    cdul_html *html;
    options.images = 1000;
    options.most_shown = 70;
    uint8_t pixel[3] = {0};
    const cdul_image image = {1, 1, pixel, NULL};
    assert_ok(cdul_html_open("many.html", &options, &classes, &html, &err));
    size_t last = 0, widest = 0;
    for (size_t i = 0; i < 1000; i++) {
        cdul_thumbnail *thumbnail = NULL;
        assert_ok(cdul_html_thumbnail(html, i, &image, &thumbnail, &err));
        if (thumbnail) { /* it is shown */
            if (i - last > widest) widest = i - last;
            last = i;
        }
        cdul_thumbnail_free(thumbnail);
        cdul_html_add(html, i, "x.jpg", NULL, scores, picked);
    }
    assert_true(widest <= 15); /* 1000 / 70 = 14.3 */
    assert_ok(cdul_html_commit(&html, &err));
    char *page = read_page("many.html");
    cJSON *images = data_of(page, "images"), *summary = data_of(page, "summary");
    assert_int_equal(cJSON_GetArraySize(images), 70);
    assert_int_equal(number(summary, "shown"), 70);
    assert_int_equal(number(summary, "images"), 1000);
    cJSON_Delete(images);
    cJSON_Delete(summary);
    free(page);
    cdul_strings_free(&classes);
}

/* 10,000 classes: the picked one and the best of the others, in order. */
static void of_many_classes_the_best_are_told(void **state) {
    (void)state;
    enum { C = 10000 };
    cdul_strings classes = {0};
    float *many = calloc(C, sizeof *many);
    bool *chosen = calloc(C, sizeof *chosen);
    char name[16];
    for (size_t c = 0; c < C; c++) {
        snprintf(name, sizeof name, "c%zu", c);
        assert_ok(cdul_strings_add(&classes, name, &err));
        many[c] = (float)((c * 7919) % C) / C;
    }
    chosen[1] = true; /* score 0.7919 */
    chosen[0] = true; /* score 0 */
    cdul_html_options options = cdul_html_defaults();
    cdul_html *html;
    options.images = 1;
    assert_ok(cdul_html_open("wide.html", &options, &classes, &html, &err));
    cdul_html_add(html, 0, "x.jpg", NULL, many, chosen);
    assert_ok(cdul_html_commit(&html, &err));
    char *page = read_page("wide.html");
    cJSON *images = data_of(page, "images");
    const cJSON *told = cJSON_GetArrayItem(cJSON_GetArrayItem(images, 0), 5);
    assert_int_equal(cJSON_GetArraySize(told), 3 * (40 + 2));
    for (int i = 0; i < 40; i++) {
        size_t c = (size_t)cJSON_GetArrayItem(told, 3 * i)->valueint;
        assert_int_equal((c * 7919) % C, (size_t)(C - 1 - i));
    }
    assert_int_equal(cJSON_GetArrayItem(told, 3 * 40)->valueint, 1);
    assert_int_equal(cJSON_GetArrayItem(told, 3 * 41)->valueint, 0);
    cJSON_Delete(images);
    free(page);
    free(many);
    free(chosen);
    cdul_strings_free(&classes);
}

/* A page to be opened in a browser: real pictures, and names that would do harm if they could. */
static void a_page_for_the_browser_is_written(void **state) {
    (void)state;
    enum { N = 130, C = 25 };
    cdul_strings classes = {0};
    float thresholds[C], all[C];
    bool chosen[C];
    char name[96];
    for (size_t c = 0; c < C; c++) {
        snprintf(name, sizeof name, c % 2 ? "class %zu" : "<img src=x onerror=injected=1> %zu", c);
        assert_ok(cdul_strings_add(&classes, name, &err));
        thresholds[c] = 0.5f + 0.01f * (float)c;
    }
    cdul_html_options options = cdul_html_defaults();
    cdul_html *html;
    options.images = N;
    options.thresholds = thresholds;
    options.title = "</title><script>injected = 1</script>";
    assert_ok(cdul_html_open("browser.html", &options, &classes, &html, &err));
    for (size_t i = 0; i < N; i++) {
        cdul_image image = {40 + i, 90, calloc((40 + i) * 90, 3), NULL};
        cdul_thumbnail *thumbnail = NULL;
        memset(image.pixels, (int)(i * 2), image.width * image.height);
        assert_ok(cdul_thumbnail_make(&image, 120, 80, &thumbnail, &err));
        for (size_t c = 0; c < C; c++) {
            all[c] = (float)((i * 31 + c * 17) % 101) / 100;
            chosen[c] = i % 5 != 0 && all[c] >= thresholds[c];
        }
        snprintf(name, sizeof name, "folder/</script><script>injected=1</script>%zu \"'&.jpg", i);
        cdul_html_add(html, i, name, i % 10 == 9 ? NULL : thumbnail, all, chosen);
        cdul_thumbnail_free(thumbnail);
        cdul_image_free(&image);
    }
    assert_ok(cdul_html_commit(&html, &err));
    cdul_strings_free(&classes);
}

static void discarding_leaves_nothing(void **state) {
    (void)state;
    cdul_strings classes = make_classes("cat", "dog", "cow");
    cdul_html_options options = cdul_html_defaults();
    cdul_html *html;
    assert_ok(cdul_html_open("gone.html", &options, &classes, &html, &err));
    cdul_html_discard(&html);
    cdul_html_discard(&html);
    assert_false(cdul_path_exists("gone.html"));
    assert_fails(cdul_html_open("nowhere/page.html", &options, &classes, &html, &err), CDUL_ERR_IO,
                 "nowhere");
    cdul_strings_free(&classes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_holds_what_was_added),
        cmocka_unit_test(names_cannot_break_out_of_the_page),
        cmocka_unit_test(nothing_is_loaded_from_elsewhere),
        cmocka_unit_test(many_images_are_sampled_evenly_and_all_counted),
        cmocka_unit_test(of_many_classes_the_best_are_told),
        cmocka_unit_test(a_page_for_the_browser_is_written),
        cmocka_unit_test(discarding_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
