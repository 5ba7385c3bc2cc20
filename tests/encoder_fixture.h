/* What the tests of src/encoder share: the folders of golden/make_encoder.py, and folders made of
 * its graphs. */
#ifndef CDUL_TESTS_ENCODER_FIXTURE_H
#define CDUL_TESTS_ENCODER_FIXTURE_H

#include "test.h"

#include "base/file.h"
#include "base/safetensors.h"
#include "cdul/encoder.h"

#include <math.h>

#define CLIP     CDUL_GOLDEN "/encoder/clip"
#define SIGLIP   CDUL_GOLDEN "/encoder/siglip"
#define DENSE    CDUL_GOLDEN "/encoder/dense"
#define PICTURES 4
#define VIEWS    10
#define WIDTH    16
#define CELLS    12 /* of DENSE: 3 x 4 */

static cdul_error err;

__attribute__((unused)) static const char squash_8[] =
    "{\"image_processor_type\": \"SiglipImageProcessor\", \"size\": {\"height\": 8, \"width\": 8}}";

static inline cdul_encoder *open_encoder(const char *folder, size_t batch) {
    cdul_encoder *encoder = NULL;
    cdul_encoder_options options = cdul_encoder_defaults();
    options.threads = 1;
    options.batch = batch;
    assert_ok(cdul_encoder_open(folder, &options, &encoder, &err));
    return encoder;
}

/* Reads a tensor of a folder's expected.safetensors: the caller frees. */
static inline float *expected(const char *folder, const char *name, size_t count) {
    char path[600];
    cdul_safetensors *file = NULL;
    snprintf(path, sizeof path, "%s/expected.safetensors", folder);
    assert_ok(cdul_safetensors_open(path, &file, &err));
    const cdul_tensor_view *view = cdul_safetensors_find(file, name);
    assert_non_null(view);
    assert_int_equal(view->elements, count);
    float *values = malloc(count * sizeof *values);
    cdul_tensor_to_f32(view, 0, count, values);
    cdul_safetensors_close(file);
    return values;
}

/* Smallest cosine between rows of unit vectors. */
static inline double worst_cosine(const float *a, const float *b, size_t rows, size_t width) {
    double worst = 1;
    for (size_t r = 0; r < rows; r++) {
        double dot = 0, length = 0;
        for (size_t d = 0; d < width; d++) {
            dot += (double)a[r * width + d] * (double)b[r * width + d];
            length += (double)a[r * width + d] * (double)a[r * width + d];
        }
        assert_true(fabs(length - 1) < 1e-5); /* always normalised */
        if (dot < worst) worst = dot;
    }
    return worst;
}

static inline void make_classes(cdul_classes *classes) {
    static const char text[] = "cat\ndining table\ncaf\xc3\xa9\nhorse\n";
    assert_ok(cdul_classes_parse(text, sizeof text - 1, "classes.txt", classes, &err));
}

static inline void list_pictures(cdul_strings *paths) {
    const char *folder = CDUL_GOLDEN "/encoder/pictures";
    cdul_strings names = {0};
    const cdul_list_options options = {0};
    assert_ok(cdul_list_images(&folder, 1, &options, paths, &names, &err));
    assert_int_equal(paths->count, PICTURES);
    cdul_strings_free(&names);
}

static inline void copy(const char *from, const char *to) {
    char *data = NULL;
    size_t size = 0;
    assert_ok(cdul_file_read_all(from, &data, &size, &err));
    assert_ok(cdul_file_write_all(to, data, size, &err));
    free(data);
}

static inline void write_text(const char *path, const char *text) {
    assert_ok(cdul_file_write_all(path, text, strlen(text), &err));
}

/* An empty folder "made" with one of golden/encoder/graphs as its image tower, squashed to 8 x
 * 8. */
static inline void make_folder(const char *graph) {
    static const char *const files[] = {
        "made/config.json",      "made/cdul.json",  "made/text_model.onnx",
        "made/text.safetensors", "made/model.onnx", "made/vision_model.onnx",
        "made/vocab.json",       "made/merges.txt", "made/open_clip_config.json"};
    char from[512];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) remove(files[i]);
    assert_ok(cdul_path_make_folder("made", &err));
    write_text("made/preprocessor_config.json", squash_8);
    if (!graph) return;
    snprintf(from, sizeof from, CDUL_GOLDEN "/encoder/graphs/%s.onnx", graph);
    copy(from, "made/vision_model.onnx");
}

#endif
