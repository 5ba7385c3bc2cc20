/* A program of somebody else's that uses libcdul: the sizes of the images in a folder, and labels
 * of one image whose cosines are chosen so that the equations can be followed by hand. */
#include <cdul/classifier.h>
#include <cdul/encoder.h>
#include <cdul/eval.h>
#include <cdul/image.h>
#include <cdul/label.h>
#include <cdul/labels.h>

#include <math.h>
#include <stdio.h>

static cdul_status print_sizes(const cdul_strings *paths, const cdul_strings *names,
                               cdul_error *err) {
    for (size_t i = 0; i < paths->count; i++) {
        cdul_image image = {0};
        cdul_status status = cdul_image_decode_file(paths->items[i], NULL, &image, err);
        if (status != CDUL_OK) return status;
        printf("%s %zu x %zu\n", names->items[i], image.width, image.height);
        cdul_image_free(&image);
    }
    return CDUL_OK;
}

/* Whole image: softmax(ln 3, 0) = (0.75, 0.25); crops: (0.5, 0.5) and (0.9, 0.1), the larger of
 * each (0.9, 0.5); the mean of both is (0.825, 0.375). */
static void print_labels(void) {
    const float cosines[3 * 2] = {logf(3), 0, 0, 0, logf(9), 0};
    float scratch[3 * 2], y[2];
    cdul_aggregate_options options = cdul_aggregate_defaults();
    options.temperature = 1;
    cdul_aggregate(&options, cosines, 2, 2, scratch, y);
    printf("aggregated %.3f %.3f\n", y[0], y[1]);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    cdul_strings paths = {0}, names = {0};
    cdul_error err;
    const char *folder = argv[1];
    cdul_status status = cdul_list_images(&folder, 1, NULL, &paths, &names, &err);
    if (status == CDUL_OK) status = print_sizes(&paths, &names, &err);
    if (status == CDUL_OK)
        print_labels();
    else
        fprintf(stderr, "%s\n", err.message);
    cdul_strings_free(&paths);
    cdul_strings_free(&names);
    return status != CDUL_OK;
}
