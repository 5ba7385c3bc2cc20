/* Graphs of golden/make_encoder.py: one or two operators each, results by hand. */
#include "test.h"
#include "watcher.h"

#include "cdul/versions.h"
#include "onnx/session_internal.h"

#include <unistd.h>

#define GRAPH(name) CDUL_GOLDEN "/session/" name ".onnx"

static cdul_error err;
static const cdul_session_options defaults = {0};

static cdul_session *open_graph(const char *path) {
    cdul_session *session = NULL;
    const cdul_session_options options = {.threads = 1};
    assert_ok(cdul_session_open(path, &options, &session, &err));
    return session;
}

static void ports_are_found_by_name_with_type_and_shape(void **state) {
    (void)state;
    cdul_session *s = open_graph(GRAPH("add"));
    char text[100];
    size_t count = 0;
    assert_string_equal(cdul_session_inputs(s, &count)[0].name, "x");
    assert_int_equal(count, 2);
    const cdul_port *y = cdul_session_input(s, "y");
    assert_non_null(y);
    assert_int_equal(y->element, CDUL_ELEMENT_F32);
    assert_int_equal(y->rank, 2);
    assert_int_equal(y->dims[0], -1);
    assert_int_equal(y->dims[1], 3);
    assert_string_equal(cdul_port_describe(y, text, sizeof text), "y float32 [?, 3]");
    assert_string_equal(cdul_port_describe(y, text, 8), "y float"); /* cut, not overrun */
    assert_non_null(cdul_session_output(s, "product"));
    assert_null(cdul_session_output(s, "x"));
    assert_string_equal(cdul_session_path(s), GRAPH("add"));
    cdul_session_close(s);
    cdul_session_close(NULL);
}

static void metadata_is_read_by_key(void **state) {
    (void)state;
    cdul_session *s = open_graph(GRAPH("add"));
    assert_string_equal(cdul_session_metadata(s, "classes"), "[\"caf\xc3\xa9\", \"cat\"]");
    assert_string_equal(cdul_session_metadata(s, "note"), "two\nlines");
    assert_string_equal(cdul_session_metadata(s, "empty"), "");
    assert_null(cdul_session_metadata(s, "none"));
    cdul_session_close(s);
    s = open_graph(GRAPH("half"));
    assert_null(cdul_session_metadata(s, "classes"));
    cdul_session_close(s);
}

static void only_the_outputs_asked_for_are_computed(void **state) {
    (void)state;
    cdul_session *s = open_graph(GRAPH("add"));
    const float x[6] = {1, 2, 3, 4, 5, 6}, y[6] = {10, 20, 30, 40, 50, 60};
    const cdul_feed feeds[2] = {{"x", x, NULL, 2, {2, 3}}, {"y", y, NULL, 2, {2, 3}}};
    cdul_fetch fetches[2] = {{.name = "product"}, {.name = "sum"}};
    assert_ok(cdul_session_run(s, feeds, 2, fetches, 1, &err));
    assert_int_equal(fetches[0].rank, 2);
    assert_int_equal(fetches[0].dims[0], 2);
    assert_int_equal(fetches[0].count, 6);
    assert_true(fetches[0].values[5] == 360.0f);
    assert_null(fetches[1].values);
    free(fetches[0].values);
    assert_ok(cdul_session_run(s, feeds, 2, fetches, 2, &err));
    assert_true(fetches[1].values[4] == 55.0f);
    free(fetches[0].values);
    free(fetches[1].values);
    cdul_session_close(s);
}

static void other_number_types_are_converted_on_the_way(void **state) {
    (void)state;
    cdul_session *s = open_graph(GRAPH("half"));
    const float x[4] = {0.5f, -3.0f, 1.0f / 3.0f, 1e6f};
    const cdul_feed feed = {"x", x, NULL, 2, {2, 2}};
    cdul_fetch fetch = {.name = "y"};
    assert_ok(cdul_session_run(s, &feed, 1, &fetch, 1, &err));
    assert_true(fetch.values[0] == 1.0f && fetch.values[1] == -6.0f);
    assert_true(fetch.values[2] == 2.0f * 0.333251953125f); /* a third as float16 */
    assert_true(fetch.values[3] > 3e38f); /* beyond float16: infinite */
    free(fetch.values);
    cdul_session_close(s);

    s = open_graph(GRAPH("double"));
    const cdul_feed wide = {"x", x, NULL, 1, {4}};
    assert_ok(cdul_session_run(s, &wide, 1, &fetch, 1, &err));
    assert_true(fetch.values[3] == 2e6f);
    free(fetch.values);
    cdul_session_close(s);

    s = open_graph(GRAPH("integers"));
    const int64_t a[2] = {5000000000, -1}, b[2] = {7, INT32_MIN};
    const cdul_feed feeds[2] = {{"a", NULL, a, 1, {2}}, {"b", NULL, b, 1, {2}}};
    cdul_fetch both[2] = {{.name = "y"}, {.name = "z"}};
    assert_ok(cdul_session_run(s, feeds, 2, both, 2, &err));
    assert_true(both[0].values[0] == 5000000007.0f && both[1].values[1] == -2147483648.0f);
    free(both[0].values);
    free(both[1].values);
    const cdul_feed overflow[2] = {{"a", NULL, a, 1, {2}}, {"b", NULL, a, 1, {2}}};
    assert_fails(cdul_session_run(s, overflow, 2, both, 2, &err), CDUL_ERR_INPUT,
                 "cannot hold 5000000000");
    cdul_session_close(s);
}

static void an_empty_batch_gives_an_empty_result(void **state) {
    (void)state;
    cdul_session *s = open_graph(GRAPH("double"));
    const float x[1] = {0};
    const cdul_feed feed = {"x", x, NULL, 1, {0}};
    cdul_fetch fetch = {.name = "y"};
    assert_ok(cdul_session_run(s, &feed, 1, &fetch, 1, &err));
    assert_int_equal(fetch.count, 0);
    free(fetch.values);
    cdul_session_close(s);
}

static void wrong_feeds_are_refused_with_file_and_input(void **state) {
    (void)state;
    cdul_session *s = open_graph(GRAPH("add"));
    const float x[6] = {0};
    const int64_t n[6] = {0};
    cdul_fetch fetch = {.name = "sum"};
    const cdul_feed unknown = {"z", x, NULL, 2, {2, 3}}, kind = {"x", NULL, n, 2, {2, 3}},
                    negative = {"x", x, NULL, 2, {-2, 3}}, lone = {"x", x, NULL, 2, {2, 3}};
    assert_fails(cdul_session_run(s, &unknown, 1, &fetch, 1, &err), CDUL_ERR_RUNTIME,
                 "add.onnx: no input 'z'");
    assert_fails(cdul_session_run(s, &kind, 1, &fetch, 1, &err), CDUL_ERR_RUNTIME,
                 "input x takes float32");
    assert_fails(cdul_session_run(s, &negative, 1, &fetch, 1, &err), CDUL_ERR_RUNTIME,
                 "impossible shape");
    assert_fails(cdul_session_run(s, &lone, 1, &fetch, 1, &err), CDUL_ERR_RUNTIME,
                 "add.onnx: running the network");
    const cdul_feed shapes[2] = {{"x", x, NULL, 2, {1, 6}}, {"y", x, NULL, 2, {2, 3}}};
    assert_fails(cdul_session_run(s, shapes, 2, &fetch, 1, &err), CDUL_ERR_RUNTIME,
                 "invalid dimensions");
    assert_null(fetch.values);
    assert_null(strchr(err.message, '\n'));
    cdul_session_close(s);
}

static void ports_of_unknown_kinds_are_marked_and_not_run(void **state) {
    (void)state;
    cdul_session *s = open_graph(GRAPH("text"));
    assert_int_equal(cdul_session_input(s, "s")->element, CDUL_ELEMENT_OTHER);
    const float x[1] = {0};
    const cdul_feed feed = {"s", x, NULL, 1, {1}};
    cdul_fetch fetch = {.name = "t"};
    assert_fails(cdul_session_run(s, &feed, 1, &fetch, 1, &err), CDUL_ERR_RUNTIME,
                 "takes another type");
    cdul_session_close(s);
    s = open_graph(GRAPH("deep")); /* nine dimensions */
    char text[100];
    assert_int_equal(cdul_session_input(s, "x")->element, CDUL_ELEMENT_OTHER);
    cdul_port_describe(cdul_session_input(s, "x"), text, sizeof text);
    cdul_session_close(s);
}

static void files_that_are_no_graphs_are_named(void **state) {
    (void)state;
    cdul_session *s = NULL;
    assert_fails(cdul_session_open("none.onnx", &defaults, &s, &err), CDUL_ERR_IO,
                 "none.onnx: no such file");
    assert_fails(cdul_session_open(GRAPH("garbage"), &defaults, &s, &err), CDUL_ERR_INPUT,
                 "garbage.onnx: ONNX Runtime cannot open it");
    assert_null(s);
    assert_fails(cdul_session_open(CDUL_GOLDEN, &defaults, &s, &err), CDUL_ERR_IO,
                 "golden: is not a regular file");
}

static void providers_are_found_by_name(void **state) {
    (void)state;
    cdul_session *s = NULL;
    cdul_session_options options = {0};
    options.provider.name = "CPU";
    assert_ok(cdul_session_open(GRAPH("add"), &options, &s, &err));
    assert_string_equal(cdul_session_placement(s), "CPU");
    cdul_session_close(s);
    options.provider.name = NULL;
    assert_ok(cdul_session_open(GRAPH("add"), &options, &s, &err));
    cdul_session_close(s);
    static const struct {
        const char *name, *reason;
    } wrong[] = {{"abacus", "provider 'abacus' is not in this ONNX Runtime ("},
                 {"cp", "provider 'cp' is not in"},
                 {"CPUExecutionProvider", "is not in"},
                 {"", "provider '' is not in"},
                 {"cpu:1", "only cuda and tensorrt take a device"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        options.provider.name = wrong[i].name;
        assert_fails(cdul_session_open(GRAPH("add"), &options, &s, &err), CDUL_ERR_USAGE,
                     wrong[i].reason);
        assert_null(s);
    }
    options.provider.name = "abacus";
    assert_fails(cdul_session_open(GRAPH("add"), &options, &s, &err), CDUL_ERR_USAGE,
                 "built with ");
    assert_non_null(strstr(err.message, "CPU"));
    assert_true(strlen(cdul_ort_version()) >= 5);
}

/* PyPI's library has one that runs no operator of a usual graph: a provider that does nothing must
 * not pass for the CPU. */
static void a_provider_that_runs_nothing_is_refused(void **state) {
    (void)state;
    cdul_session *s = NULL;
    cdul_session_options options = {0};
    options.provider.name = "azure";
    cdul_status status = cdul_session_open(GRAPH("add"), &options, &s, &err);
    if (status == CDUL_ERR_USAGE) skip(); /* another build */
    assert_fails(status, CDUL_ERR_RUNTIME, "Azure can run none of the graph's 2 operations");
    assert_null(s);
}

static void plug_ins_that_cannot_be_loaded_are_named(void **state) {
    (void)state;
    cdul_session *s = NULL;
    cdul_session_options options = {0};
    options.provider.name = "openvino";
    options.provider.library = "nowhere.so";
    assert_fails(cdul_session_open(GRAPH("add"), &options, &s, &err), CDUL_ERR_IO,
                 "nowhere.so: the provider's library cannot be loaded: No such file");
    options.provider.library = GRAPH("add");
    assert_fails(cdul_session_open(GRAPH("add"), &options, &s, &err), CDUL_ERR_USAGE,
                 "add.onnx: not a plug-in with execution providers for ONNX Runtime ");
    /* a library that is no plug-in: the C library itself */
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4200] = "", *path = NULL;
    while (maps && !path && fgets(line, sizeof line, maps))
        if (strstr(line, "/libc.so") || strstr(line, "/libc-")) path = strchr(line, '/');
    if (maps) fclose(maps);
    if (!path) skip();
    path[strcspn(path, "\n")] = '\0';
    options.provider.library = path;
    assert_fails(cdul_session_open(GRAPH("add"), &options, &s, &err), CDUL_ERR_USAGE,
                 "CreateEpFactories");
}

static void versions_name_the_runtime_and_its_providers(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    cdul_session_versions(out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(strncmp(text, "onnxruntime 1.", 14), 0);
    assert_non_null(strstr(text, "\nproviders "));
    assert_non_null(strstr(text, "CPU\n"));
    assert_null(strstr(text, "ExecutionProvider"));
    free(text);
}

static void options_of_providers_are_pairs(void **state) {
    (void)state;
    static const struct {
        const char *options[2], *reason;
    } wrong[] = {{{"device_id"}, "'device_id': expected KEY=VALUE"},
                 {{"=1"}, "expected KEY=VALUE"},
                 {{"device_id="}, "expected KEY=VALUE"},
                 {{"a=1", "a=2"}, "option a is given twice"},
                 {{"a=b=c"}, "provider cpu takes no options, such as a"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cdul_session *s = NULL;
        cdul_session_options options = {0};
        for (size_t k = 0; k < 2 && wrong[i].options[k]; k++)
            assert_ok(cdul_strings_add(&options.provider.options, wrong[i].options[k], &err));
        assert_fails(cdul_session_open(GRAPH("add"), &options, &s, &err), CDUL_ERR_USAGE,
                     wrong[i].reason);
        assert_null(s);
        cdul_strings_free(&options.provider.options);
    }
}

static void a_stop_ends_a_run(void **state) {
    (void)state;
    const float x[3] = {1, 2, 3};
    const cdul_feed feeds[2] = {{"x", x, NULL, 2, {1, 3}}, {"y", x, NULL, 2, {1, 3}}};
    cdul_fetch fetch = {.name = "product"};
    static watcher w;
    watcher_start(&w);
    const cdul_session_options options = {.threads = 1, .callbacks = &w.callbacks};
    cdul_session *s = NULL;
    assert_ok(cdul_session_open(GRAPH("add"), &options, &s, &err));
    assert_ok(cdul_session_run(s, feeds, 2, &fetch, 1, &err));
    free(fetch.values);
    atomic_store(&w.stop, true);
    cdul_status status = CDUL_OK; /* until the thread has looked */
    for (int i = 0; i < 3000 && status == CDUL_OK; i++) {
        usleep(10000);
        status = cdul_session_run(s, feeds, 2, &fetch, 1, &err);
        free(fetch.values);
    }
    assert_fails(status, CDUL_ERR_CANCELLED, "interrupted");
    cdul_session_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_ends_a_run),
        cmocka_unit_test(ports_are_found_by_name_with_type_and_shape),
        cmocka_unit_test(metadata_is_read_by_key),
        cmocka_unit_test(only_the_outputs_asked_for_are_computed),
        cmocka_unit_test(other_number_types_are_converted_on_the_way),
        cmocka_unit_test(an_empty_batch_gives_an_empty_result),
        cmocka_unit_test(wrong_feeds_are_refused_with_file_and_input),
        cmocka_unit_test(ports_of_unknown_kinds_are_marked_and_not_run),
        cmocka_unit_test(files_that_are_no_graphs_are_named),
        cmocka_unit_test(providers_are_found_by_name),
        cmocka_unit_test(options_of_providers_are_pairs),
        cmocka_unit_test(a_provider_that_runs_nothing_is_refused),
        cmocka_unit_test(plug_ins_that_cannot_be_loaded_are_named),
        cmocka_unit_test(versions_name_the_runtime_and_its_providers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
