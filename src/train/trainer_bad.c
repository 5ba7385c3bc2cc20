#include "train/trainer_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_bad(const cdul_tensor *x) {
    double low = 0, high = 0;
    cdul_scope s = {.no_grad = true};
    cdul_tensor_range(&s, x, &low, &high);
    return cdul_scope_close(&s, NULL) == CDUL_OK && !(isfinite(low) && isfinite(high));
}

const char *cdul_trainer_bad_weights(const cdul_trainer *t) {
    for (size_t i = 0; i < t->net->entry_count; i++)
        if (is_bad(t->net->entries[i].tensor)) return t->net->entries[i].name;
    return NULL;
}

static const char *bad_gradient(const cdul_trainer *t) {
    for (size_t i = 0; i < t->net->entry_count; i++) {
        if (!t->net->entries[i].trained) continue;
        cdul_scope s = {.no_grad = true};
        const cdul_tensor *gradient = cdul_tensor_grad(&s, t->net->entries[i].tensor);
        bool bad = gradient && is_bad(gradient);
        if (cdul_scope_close(&s, NULL) == CDUL_OK && bad) return t->net->entries[i].name;
    }
    return NULL;
}

/* The first output [B, C] that is not finite; B x C if there is none. */
static size_t bad_output(const cdul_tensor *logits, size_t count) {
    size_t i = 0;
    float *values = malloc(count * sizeof *values);
    cdul_scope s = {.no_grad = true};
    if (values) cdul_tensor_read(&s, logits, CDUL_F32, values, count);
    if (!values || cdul_scope_close(&s, NULL) != CDUL_OK)
        i = count;
    else
        while (i < count && isfinite(values[i])) i++;
    free(values);
    return i;
}

/* The first label [B, C] that is not finite, likewise. */
static size_t bad_label(const cdul_trainer *t, const cdul_batch *batch) {
    size_t i = 0, count = batch->count * t->c;
    while (i < count && isfinite(t->labels[batch->rows[i / t->c] * t->c + i % t->c])) i++;
    return i;
}

/* The deepest cause that can be told. *ruined: no batch will be better. */
static void find_cause(const cdul_trainer *t, const cdul_batch *batch, double loss,
                       const cdul_tensor *logits, bool *ruined, char *text, size_t size) {
    const char *weights = cdul_trainer_bad_weights(t), *what = "output";
    const size_t count = batch->count * t->c;
    *ruined = weights != NULL;
    if (weights) {
        snprintf(text, size, "weights %s are not finite", weights);
        return;
    }
    size_t entry = bad_output(logits, count);
    if (entry == count) entry = bad_label(t, batch), what = "label";
    const char *gradient = entry == count && isfinite(loss) ? bad_gradient(t) : NULL;
    if (entry < count)
        snprintf(text, size, "the %s for image %s, class %s is not finite", what,
                 t->data.labels.images.items[batch->rows[entry / t->c]],
                 t->data.labels.classes.items[entry % t->c]);
    else if (gradient)
        snprintf(text, size, "the gradient of %s is not finite", gradient);
    else
        snprintf(text, size, "the %s too large", isfinite(loss) ? "gradients are" : "outputs are");
}

static void list_images(const cdul_trainer *t, const cdul_batch *batch, char *text, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < batch->count && i < 4 && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "",
                                 t->data.labels.images.items[batch->rows[i]]);
}

cdul_status cdul_trainer_bad_batch(const cdul_trainer *t, const cdul_batch *batch, double loss,
                                   const cdul_tensor *logits, cdul_error *err) {
    char images[320] = "", cause[320];
    bool ruined = false, skip = t->options->bad_batch == CDUL_BAD_BATCH_SKIP;
    const char *more = batch->count > 4 ? ", ..." : "";
    list_images(t, batch, images, sizeof images);
    find_cause(t, batch, loss, logits, &ruined, cause, sizeof cause);
    if (skip && !ruined) {
        cdul_warn(t->call->callbacks,
                  "the loss is %g at epoch %zu, step %zu (images %s%s): %s; the batch is left out",
                  loss, t->epoch + 1, t->step + 1, images, more, cause);
        return CDUL_OK;
    }
    return cdul_fail(
        err, CDUL_ERR_RUNTIME,
        "the loss is %g at epoch %zu, step %zu (images %s%s): %s: lower --lr or --head-lr-mult, "
        "train with --precision fp32%s; the last checkpoint is kept",
        loss, t->epoch + 1, t->step + 1, images, more, cause,
        skip ? "" : ", or leave such batches out with --bad-batch skip");
}
