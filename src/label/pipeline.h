/* What the three ways to labels share: from images (run.c, pipeline.c) and from saved cosines
 * (from_scores.c). */
#pragma once

#include "cdul/encoder.h"
#include "cdul/label.h"
#include "encoder/cache.h"

/* What standardised scores, which have no scale of their own, are calibrated to: labels by the
 * encoder's probabilities, the aggregator CDUL's, of some of the same rows. */
typedef struct cdul_reference {
    cdul_aggregate_options options; /* temperature NAN: not known, or not wanted; nothing is kept */
    size_t every; /* one row of so many is kept */
    float *rows; /* [kept, C] */
} cdul_reference;

/* Makes room for N rows. Start from {0} with options; cdul_reference_free also after a failure. */
cdul_status cdul_reference_open(cdul_reference *reference, size_t n, size_t c,
                                cdul_error *err) CDUL_MUST_CHECK;
void cdul_reference_free(cdul_reference *reference);
/* Keeps what the cosines [1 + S, columns] of row i say, if it is one to keep. Thread-safe for
 * different rows. `scratch` as for cdul_aggregate. */
void cdul_reference_row(const cdul_reference *reference, size_t i, const float *cosines, size_t s,
                        size_t columns, float *scratch);
/* y <- sigmoid(a logit(y) + b) for labels [N, C], with a and b of least cross-entropy to the rows
 * kept: Platt scaling. *scale is a; where it is not above 0, nothing is changed. */
void cdul_reference_calibrate(const cdul_reference *reference, float *labels, size_t n, size_t c,
                              double *scale);

/* Settles how cosines become labels, aggregate and positives, where the params leave it open: as
 * the encoder was trained. `where` is its folder, or the file of cosines, of which nothing is
 * known. */
cdul_status cdul_label_settle(cdul_label_params *params, const cdul_encoder_score *known,
                              const char *where, cdul_reference *reference,
                              cdul_error *err) CDUL_MUST_CHECK;
/* Checks what was settled for C classes, before the work, which would be lost. */
cdul_status cdul_label_check(const cdul_label_params *settled, size_t c,
                             cdul_error *err) CDUL_MUST_CHECK;
/* Calibrates the labels and sums them up. */
cdul_status cdul_label_finish(const cdul_label_params *settled, const cdul_reference *reference,
                              cdul_label_result *out, cdul_error *err) CDUL_MUST_CHECK;

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
    cdul_reference reference;
    cdul_cache *cache; /* NULL = embed everything, keep nothing */
} cdul_label_job;

/* images -> views [1 + S, D] -> cosines [1 + S, C + B] -> labels [C], one image at a time, in the
 * order given. With a cache, what it lacks is embedded into it first, and everything is then read
 * from it. On failure `out` holds what the caller must free. */
cdul_status cdul_label_rows(const cdul_label_job *job, cdul_label_result *out,
                            cdul_error *err) CDUL_MUST_CHECK;
