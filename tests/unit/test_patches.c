/* What is taken for an encoder with patch tokens, and why others are not. */
#include "encoder_fixture.h"

#include "encoder/encoder_internal.h"

static void the_grid_is_that_of_the_graphs_metadata(void **state) {
    (void)state;
    cdul_encoder *encoder = open_encoder(DENSE, 0);
    cdul_patches cells = {0};
    assert_ok(cdul_encoder_patches(encoder, &cells, &err));
    assert_int_equal(cells.rows, 3);
    assert_int_equal(cells.columns, 4);
    cdul_encoder_close(encoder);
}

static void the_description_says_whether_there_are_cells(void **state) {
    (void)state;
    static const char *const folders[] = {DENSE, CLIP};
    static const char *const lines[] = {"patches:   3 x 4, for --local dense\n",
                                        "patches:   none: " CLIP
                                        "/onnx/vision_model.onnx: no output dense_embeds"};
    for (size_t i = 0; i < 2; i++) {
        cdul_encoder *encoder = open_encoder(folders[i], 0);
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);
        assert_non_null(stream);
        assert_ok(cdul_encoder_describe(encoder, stream, &err));
        fclose(stream);
        assert_non_null(strstr(text, lines[i]));
        free(text);
        cdul_encoder_close(encoder);
    }
}

static void what_is_not_understood_is_refused_with_the_reason(void **state) {
    (void)state;
    static const struct {
        const char *graph, *reason;
    } graphs[] = {
        {"zero", "no output dense_embeds, so no patch tokens; export the model with "
                 "export_clip.py --dense of cdul's sources"},
        {"dense_no_grid", "dense_embeds float32 [?, 1, 192]: metadata dense_grid is missing"},
        {"dense_odd_grid", "metadata dense_grid is \"1x1x1\" where"},
        {"dense_other_grid", "[?, 1, 192] does not hold the 2 patches of dense_grid 2x1"},
        {"dense_narrow", "[?, 3, 64]: expected numbers [B, P, 192]"},
    };
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++) {
        make_folder(graphs[i].graph);
        cdul_encoder *encoder = open_encoder("made", 0); /* for crops it is as good as any */
        cdul_patches cells = {0};
        assert_fails(cdul_encoder_patches(encoder, &cells, &err), CDUL_ERR_INPUT, graphs[i].reason);
        cdul_encoder_close(encoder);
    }
}

static void sizes_that_the_graph_leaves_free_are_checked_when_it_runs(void **state) {
    (void)state;
    make_folder("dense_other_count");
    cdul_encoder *encoder = open_encoder("made", 0);
    cdul_patches cells = {0};
    float pixels[2 * 192] = {1}, rows[2 * 3 * 192];
    pixels[192] = 1;
    assert_ok(cdul_encoder_patches(encoder, &cells, &err));
    assert_int_equal(cells.rows * cells.columns, 2);
    assert_fails(
        cdul_encoder_raw_views(encoder, pixels, 2, 2, rows, &err), CDUL_ERR_RUNTIME,
        "gave dense_embeds float32 [2, 1, 192], expected dense_embeds float32 [2, 2, 192]");
    assert_ok(cdul_encoder_raw_views(encoder, pixels, 2, 1, rows, &err));
    assert_memory_equal(rows + 192, pixels, 192 * sizeof *rows); /* the one cell that there is */
    cdul_encoder_close(encoder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_grid_is_that_of_the_graphs_metadata),
        cmocka_unit_test(the_description_says_whether_there_are_cells),
        cmocka_unit_test(what_is_not_understood_is_refused_with_the_reason),
        cmocka_unit_test(sizes_that_the_graph_leaves_free_are_checked_when_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
