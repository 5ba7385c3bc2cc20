/* What the three ways to labels share: from images (run.c, pipeline.c) and from saved cosines
 * (from_scores.c). */
#pragma once

#include "cdul/encoder.h"
#include "cdul/label.h"
#include "encoder/cache.h"

/* Settles how cosines become labels, aggregate and positives, where the params leave it open: as
 * the encoder was trained. `where` is its folder, or the file of cosines, of which nothing is
 * known. */
cdul_status cdul_label_settle(cdul_label_params *params, const cdul_encoder_score *known,
                              const char *where, cdul_error *err) CDUL_MUST_CHECK;
/* Checks what was settled for C classes, before the work, which would be lost. */
cdul_status cdul_label_check(const cdul_label_params *settled, size_t c,
                             cdul_error *err) CDUL_MUST_CHECK;
/* Calibrates the labels and sums them up. */
cdul_status cdul_label_finish(const cdul_label_params *settled, cdul_label_result *out,
                              cdul_error *err) CDUL_MUST_CHECK;

/* z = (x - mean_c) / std_c of one view's scores x [C], in place; 0 where all are equal. */
void cdul_standardise(float *x, size_t c);

/* Everything that is open for labels from images. */
typedef struct cdul_label_job {
    cdul_label_params params; /* settled, and with the text's background words */
    cdul_encoder *encoder;
    cdul_text text;
    cdul_strings paths, names; /* [N]: names stand for paths in outputs */
    cdul_crops crops; /* where `embed` points */
    cdul_embed_options embed;
    cdul_cache *cache; /* NULL = embed everything, keep nothing */
} cdul_label_job;

/* images -> views [1 + S, D] -> cosines [1 + S, C + B] -> labels [C], one image at a time, in the
 * order given. With a cache, what it lacks is embedded into it first, and everything is then read
 * from it. On failure `out` holds what the caller must free. */
cdul_status cdul_label_rows(const cdul_label_job *job, cdul_label_result *out,
                            cdul_error *err) CDUL_MUST_CHECK;
