/* What the three ways to labels share: from images (run.c, pipeline.c) and from saved cosines
 * (from_scores.c). */
#pragma once

#include "cdul/encoder.h"
#include "cdul/label.h"
#include "encoder/cache.h"

/* How cosines become labels, with nothing left to be found out. */
typedef struct cdul_label_settings {
    cdul_aggregate_options aggregate; /* without .background: the text or the file says it */
    double positives; /* 0 = no calibration */
} cdul_label_settings;

/* The settings as the params say, else as the encoder was trained. `where` is its folder, or the
 * file of cosines, of which nothing is known. */
cdul_status cdul_label_settle(const cdul_label_params *params, const cdul_encoder_score *known,
                              const char *where, cdul_label_settings *out,
                              cdul_error *err) CDUL_MUST_CHECK;
/* More positives than there are classes: found before the work, which would be lost. */
cdul_status cdul_label_check_positives(const cdul_label_settings *settings, size_t c,
                                       cdul_error *err) CDUL_MUST_CHECK;
/* Calibrates the labels and sums them up. */
cdul_status cdul_label_finish(const cdul_label_settings *settings, cdul_label_result *out,
                              cdul_error *err) CDUL_MUST_CHECK;

/* Everything that is open for labels from images. */
typedef struct cdul_label_job {
    cdul_encoder *encoder;
    cdul_text text;
    cdul_strings paths, names; /* [N]: names stand for paths in outputs */
    cdul_crops crops; /* where `embed` points */
    cdul_embed_options embed;
    cdul_cache *cache; /* NULL = embed everything, keep nothing */
    cdul_label_settings settings;
    const char *save_scores;
    const cdul_callbacks *callbacks;
} cdul_label_job;

/* images -> views [1 + S, D] -> cosines [1 + S, C + B] -> labels [C], one image at a time, in the
 * order given. With a cache, what it lacks is embedded into it first, and everything is then read
 * from it. On failure `out` holds what the caller must free. */
cdul_status cdul_label_rows(const cdul_label_job *job, cdul_label_result *out,
                            cdul_error *err) CDUL_MUST_CHECK;
