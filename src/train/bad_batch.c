/* Finds what made the loss or a gradient of a batch not finite, and says it. */
#include "train/trainer.h"

#include "base/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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
    const size_t c = t->targets.c, count = batch->count * c;
    size_t i = 0;
    while (i < count && isfinite(t->targets.labels[batch->rows[i / c] * c + i % c])) i++;
    return i;
}

/* Writes the first cause that is found into `text`: weights, then outputs, labels, gradients.
 * *ruined: it is the weights, and no batch will be better. */
static void find_cause(const cdul_trainer *t, const cdul_batch *batch, double loss,
                       const cdul_tensor *logits, bool *ruined, char *text, size_t size) {
    const char *weights = cdul_learner_bad_weights(&t->learner), *what = "output";
    const size_t c = t->targets.c, count = batch->count * c;
    *ruined = weights != NULL;
    if (weights) {
        snprintf(text, size, "weights %s are not finite", weights);
        return;
    }
    size_t entry = bad_output(logits, count);
    if (entry == count) entry = bad_label(t, batch), what = "label";
    const char *gradient =
        entry == count && isfinite(loss) ? cdul_learner_bad_gradient(&t->learner) : NULL;
    if (entry < count)
        snprintf(text, size, "the %s for image %s, class %s is not finite", what,
                 t->targets.initial->images.items[batch->rows[entry / c]],
                 t->targets.initial->classes.items[entry % c]);
    else if (gradient)
        snprintf(text, size, "the gradient of %s is not finite", gradient);
    else
        snprintf(text, size, "the %s too large", isfinite(loss) ? "gradients are" : "outputs are");
}

static void list_images(const cdul_trainer *t, const cdul_batch *batch, char *text, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < batch->count && i < 4 && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "",
                                 t->targets.initial->images.items[batch->rows[i]]);
}

cdul_status cdul_trainer_bad_batch(const cdul_trainer *t, const cdul_batch *batch, double loss,
                                   const cdul_tensor *logits, cdul_error *err) {
    char images[320] = "", cause[320];
    bool ruined = false, skip = t->params->bad_batch == CDUL_BAD_BATCH_SKIP;
    const char *more = batch->count > 4 ? ", ..." : "";
    list_images(t, batch, images, sizeof images);
    find_cause(t, batch, loss, logits, &ruined, cause, sizeof cause);
    if (skip && !ruined) {
        cdul_warn(t->params->callbacks,
                  "the loss is %g at epoch %zu, step %zu (images %s%s): %s; the batch is left out",
                  loss, t->epoch + 1, t->learner.step + 1, images, more, cause);
        return CDUL_OK;
    }
    return cdul_fail(err, CDUL_ERR_RUNTIME,
                     "the loss is %g at epoch %zu, step %zu (images %s%s): %s: lower --lr or "
                     "--head-lr-mult, train with --precision fp32%s; the last checkpoint is kept",
                     loss, t->epoch + 1, t->learner.step + 1, images, more, cause,
                     skip ? "" : ", or leave such batches out with --bad-batch skip");
}
