/* A Gaussian discriminant of the views that the cosines are surest of: what the photographs at hand
 * tell of the classes, beside what the text tower says.
 *
 * Every view gets probabilities p = softmax(z) from its standardised cosines, which need no
 * temperature. Of each class the K views of lowest entropy are kept among those that it is the
 * likeliest class of. Their means mu_c, weighted with p, and their pooled covariance S of n views
 * give a linear score (PIAA, ICML 2026; ridge of Ledoit-Wolf's kind, Kubokawa and Srivastava 2008):
 *
 *   A = (n - 1) S + trace(S) I,   w_c = A^-1 mu_c,   b_c = -mu_c' w_c / 2,   score = w_c' f + b_c
 *
 * No label is used. The result depends on the views and their order alone, not on how they are
 * spread over shards or threads; a tie keeps the earlier view. */
#pragma once

#include "cdul/error.h"

#include <stddef.h>

typedef struct cdul_discriminant cdul_discriminant;

/* For C classes (background words among them), vectors of width D, at most `most` = K views a
 * class: C x K x D floats of memory while views are looked at, D x D doubles to fit. */
cdul_status cdul_discriminant_new(size_t c, size_t d, size_t most, cdul_discriminant **out,
                                  cdul_error *err) CDUL_MUST_CHECK;
void cdul_discriminant_free(cdul_discriminant *discriminant);

/* Looks at one view: its vector [D] and its cosines [C]. */
cdul_status cdul_discriminant_look(cdul_discriminant *discriminant, const float *vector,
                                   const float *cosines, cdul_error *err) CDUL_MUST_CHECK;
/* Writes w [C, D] and b [C] from the views looked at, of which there must be one. A class that no
 * view has as its likeliest one is fitted to the view where it is likeliest. */
cdul_status cdul_discriminant_fit(const cdul_discriminant *discriminant, float *w, float *b,
                                  cdul_error *err) CDUL_MUST_CHECK;
