#include "train/image_views.h"

#include <stdlib.h>

static cdul_status render(const cdul_image_views *views, size_t row, const cdul_image *image,
                          float *out, cdul_error *err) {
    const cdul_preprocess *preprocess = &views->preprocess;
    uint8_t *scratch = malloc(preprocess->width * preprocess->height * 3);
    if (!scratch) return cdul_fail_memory(err, "a view");
    cdul_status status;
    if (views->plain) {
        status = cdul_preprocess_apply(preprocess, image, NULL, scratch, out, err);
    } else {
        cdul_random random = cdul_random_seeded(views->seed, views->epoch, views->data->keys[row]);
        cdul_augmentation drawn =
            cdul_augment_draw(&views->augment, random, image->width, image->height);
        status = cdul_augment_apply(&drawn, preprocess, image, scratch, out, err);
    }
    free(scratch);
    return status;
}

static cdul_status read_view(const void *user, size_t row, void *out, cdul_error *err) {
    const cdul_image_views *views = user;
    cdul_image image = {0};
    cdul_status status =
        cdul_image_decode_file(views->data->paths.items[row], &views->decode, &image, err);
    if (status == CDUL_OK) status = render(views, row, &image, out, err);
    cdul_image_free(&image);
    return status;
}

cdul_source cdul_image_views_source(const cdul_image_views *views) {
    size_t pixels = views->preprocess.width * views->preprocess.height;
    return (cdul_source){pixels * 3 * sizeof(float), read_view, views};
}
