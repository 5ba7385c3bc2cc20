/* Graphs whose weights stay in their file. ONNX Runtime reads what is written, and gives the
 * numbers that golden/make_encoder.py put in: element i, j of the table is (7 i + 3 j) mod 101, and
 * 0.5 is added. */
#include "test.h"

#include "base/file.h"
#include "onnx/session_internal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRAPH(name) CDUL_GOLDEN "/session/" name ".onnx"
enum { ROWS = 256, COLUMNS = 80 };

static cdul_error err;
static const cdul_session_options defaults = {0};

static void check_table(const char *path) {
    const cdul_session_options options = {.threads = 1, .provider = {.name = "cpu"}};
    cdul_session *s = NULL;
    assert_ok(cdul_session_open(path, &options, &s, &err));
    float *x = calloc(ROWS * ROWS, sizeof *x); /* the unit matrix */
    for (size_t i = 0; i < ROWS; i++) x[i * ROWS + i] = 1;
    cdul_feed feed = {.name = "x", .f32 = x, .rank = 2, .dims = {ROWS, ROWS}};
    cdul_fetch y = {.name = "y"};
    assert_ok(cdul_session_run(s, &feed, 1, &y, 1, &err));
    assert_int_equal(y.count, ROWS * COLUMNS);
    for (size_t k = 0; k < y.count; k++)
        assert_float_equal(y.values[k],
                           (float)((7 * (k / COLUMNS) + 3 * (k % COLUMNS)) % 101) + 0.5F, 0);
    free(y.values);
    free(x);
    cdul_session_close(s);
}

static void copy_file(const char *from, const char *to) {
    char *data = NULL;
    size_t size = 0;
    assert_ok(cdul_file_read_all(from, &data, &size, &err));
    assert_ok(cdul_file_write_all(to, data, size, &err));
    free(data);
}

static void large_weights_stay_in_the_file(void **state) {
    (void)state;
    char *graph = NULL;
    size_t size = 0;
    assert_ok(cdul_weights_outline(GRAPH("weights"), 64 << 10, &graph, &size, &err));
    assert_non_null(graph);
    assert_true(size < 1000); /* the bias and the nodes: the table has 81,920 */
    free(graph);
    check_table(GRAPH("weights"));
}

/* Whatever the numbers' distance from the beginning of the file, and so from an address a float may
 * have. */
static void weights_may_begin_anywhere(void **state) {
    (void)state;
    char *data = NULL;
    size_t size = 0;
    assert_ok(cdul_file_read_all(GRAPH("weights"), &data, &size, &err));
    for (size_t more = 0; more < 4; more++) {
        /* A field that no reader knows (number 15, bytes) pushes all else on. */
        char *moved = malloc(size + 2 + more);
        moved[0] = 15 << 3 | 2;
        moved[1] = (char)more;
        memset(moved + 2, 'x', more);
        memcpy(moved + 2 + more, data, size);
        assert_ok(cdul_file_write_all("moved.onnx", moved, size + 2 + more, &err));
        check_table("moved.onnx");
        free(moved);
    }
    free(data);
}

static void the_file_may_be_a_link(void **state) {
    (void)state;
    assert_ok(cdul_path_make_folder("blobs", &err));
    assert_ok(cdul_path_make_folder("snapshot", &err));
    copy_file(GRAPH("weights"), "blobs/0123abcd");
    unlink("snapshot/model.onnx");
    assert_int_equal(symlink("../blobs/0123abcd", "snapshot/model.onnx"), 0);
    check_table("snapshot/model.onnx");
}

static void other_files_are_left_as_they_are(void **state) {
    (void)state;
    static const char *const files[] = {GRAPH("add"), GRAPH("garbage")};
    char *graph = NULL;
    size_t size = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_ok(cdul_weights_outline(files[i], 1, &graph, &size, &err));
        assert_null(graph);
    }
    /* What has been outlined has its weights elsewhere. */
    assert_ok(cdul_weights_outline(GRAPH("weights"), 1, &graph, &size, &err));
    assert_non_null(graph);
    assert_ok(cdul_file_write_all("outlined.onnx", graph, size, &err));
    free(graph);
    assert_ok(cdul_weights_outline("outlined.onnx", 1, &graph, &size, &err));
    assert_null(graph);
    assert_fails(cdul_weights_outline("none.onnx", 1, &graph, &size, &err), CDUL_ERR_IO,
                 "none.onnx: cannot be opened");
}

static void graphs_cut_off_are_onnx_runtimes_to_refuse(void **state) {
    (void)state;
    char *data = NULL, *graph = NULL;
    size_t size = 0, got = 0;
    assert_ok(cdul_file_read_all(GRAPH("double"), &data, &size, &err));
    for (size_t cut = 0; cut < size; cut++) {
        assert_ok(cdul_file_write_all("cut.onnx", data, cut, &err));
        assert_ok(cdul_weights_outline("cut.onnx", 1, &graph, &got, &err));
        free(graph);
    }
    free(data);
    assert_ok(cdul_file_read_all(GRAPH("weights"), &data, &size, &err));
    assert_ok(cdul_file_write_all("cut.onnx", data, size - 100, &err));
    free(data);
    cdul_session *s = NULL;
    assert_fails(cdul_session_open("cut.onnx", &defaults, &s, &err), CDUL_ERR_INPUT,
                 "cut.onnx: ONNX Runtime cannot open it");
}

/* Until it is killed. The kernel's own clock of files stands still for milliseconds. */
static void keep_changing(const char *path) {
    for (struct timespec now[2] = {{.tv_sec = 1}, {.tv_sec = 1}};; now[0].tv_sec = ++now[1].tv_sec)
        if (utimensat(AT_FDCWD, path, now, 0) != 0) _exit(1);
}

static void a_file_that_changes_meanwhile_is_not_used(void **state) {
    (void)state;
    copy_file(GRAPH("weights"), "changing.onnx");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) keep_changing("changing.onnx");
    cdul_session *s = NULL;
    cdul_status status = CDUL_OK;
    /* On a busy machine the child may not run while one session is opened. */
    for (int tries = 0; status == CDUL_OK && tries < 1000; tries++) {
        cdul_session_close(s);
        status = cdul_session_open("changing.onnx", &defaults, &s, &err);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_fails(status, CDUL_ERR_IO, "changing.onnx: was changed while it was opened");
    assert_null(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_weights_stay_in_the_file),
        cmocka_unit_test(weights_may_begin_anywhere),
        cmocka_unit_test(the_file_may_be_a_link),
        cmocka_unit_test(other_files_are_left_as_they_are),
        cmocka_unit_test(graphs_cut_off_are_onnx_runtimes_to_refuse),
        cmocka_unit_test(a_file_that_changes_meanwhile_is_not_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
