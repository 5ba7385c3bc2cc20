/* cdul_label: opens what the params name, and settles what they leave open, before pipeline.c makes
 * the labels. */
#include "base/machine.h"
#include "base/progress.h"
#include "label/pipeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* z-scores have no scale of their own. Where the encoder's temperature is not known either, VOC's
 * 1.5 classes an image is as good a guess as any. */
static const double ZSCORE_POSITIVES = 1.5;

cdul_label_params cdul_label_defaults(void) {
    cdul_label_params params = {
        .provider = cdul_encoder_defaults().provider,
        .precision = CDUL_INFERENCE_AUTO,
        .decode = cdul_decode_defaults(),
        .reduce = true,
        .local = CDUL_LOCAL_CROPS,
        .aggregate = cdul_aggregate_defaults(),
        .positives = NAN,
        .discriminant_views = 256,
    };
    params.aggregate.score = CDUL_SCORE_AUTO;
    params.aggregate.temperature = params.aggregate.bias = NAN;
    return params;
}

void cdul_label_result_free(cdul_label_result *result) {
    cdul_labels_free(&result->labels);
    cdul_skipped_free(&result->skipped);
    *result = (cdul_label_result){0};
}

/* --- How cosines become labels --- */

static cdul_status settle_scores(cdul_aggregate_options *o, const cdul_encoder_score *known,
                                 const char *where, cdul_error *err) {
    bool sigmoid = o->score == CDUL_SCORE_AUTO ? known->sigmoid : o->score == CDUL_SCORE_SIGMOID;
    if (!sigmoid && !isnan(o->bias))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "--bias does nothing to a softmax; with --score sigmoid it has its use");
    o->score = sigmoid ? CDUL_SCORE_SIGMOID : CDUL_SCORE_SOFTMAX;
    if (isnan(o->temperature)) o->temperature = known->temperature;
    if (isnan(o->bias)) o->bias = sigmoid ? known->bias : 0;
    if (sigmoid && (isnan(o->temperature) || isnan(o->bias)))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: sigmoid scores need the model's temperature, 1 / exp(logit_scale), "
                         "and bias, logit_bias: give%s%s",
                         where, isnan(o->temperature) ? " --temperature" : "",
                         isnan(o->bias) ? " --bias" : "");
    if (isnan(o->temperature))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: the model's temperature is not known: give it (--temperature, 0.01 "
                         "for CLIP's cosines)",
                         where);
    return CDUL_OK;
}

cdul_status cdul_label_settle(cdul_label_params *params, const cdul_encoder_score *known,
                              const char *where, cdul_reference *reference, cdul_error *err) {
    cdul_aggregate_options *o = &params->aggregate;
    const bool zscore = o->aggregator >= CDUL_AGGREGATE_ZSCORE;
    *reference = (cdul_reference){.options = {.temperature = NAN}};
    if (!zscore && isnan(params->positives)) params->positives = 0;
    if (!zscore) return settle_scores(o, known, where, err);
    if (o->score != CDUL_SCORE_AUTO || !isnan(o->bias))
        return cdul_fail(
            err, CDUL_ERR_USAGE,
            "--aggregate %s standardises cosines instead: leave --score and --bias out",
            o->aggregator == CDUL_AGGREGATE_ZSCORE ? "zscore" : "discriminant");
    if (params->positives != 0 && !(known->sigmoid && isnan(known->bias)))
        reference->options = (cdul_aggregate_options){
            .score = known->sigmoid ? CDUL_SCORE_SIGMOID : CDUL_SCORE_SOFTMAX,
            .temperature = isnan(o->temperature) ? known->temperature : o->temperature,
            .bias = known->sigmoid ? known->bias : 0,
        };
    if (isnan(params->positives) && isnan(reference->options.temperature))
        params->positives = ZSCORE_POSITIVES;
    o->temperature = 1; /* not used, nor are the others */
    o->bias = 0;
    return CDUL_OK;
}

/* Of two sources the encoder wins, but for a temperature that it only assumes. */
static cdul_encoder_score known_score(const cdul_label_job *job) {
    cdul_encoder_score known = cdul_encoder_score_of(job->encoder);
    if (!isnan(job->text.logit_scale) && (known.assumed || isnan(known.temperature)))
        known.temperature = exp(-job->text.logit_scale);
    if (isnan(known.bias)) known.bias = job->text.logit_bias;
    return known;
}

cdul_status cdul_label_check(const cdul_label_params *settled, size_t c, cdul_error *err) {
    cdul_status status = cdul_aggregate_check(&settled->aggregate, err);
    const bool scaled =
        isnan(settled->positives); /* by the probabilities, which one class has not */
    if (status != CDUL_OK || (scaled ? c > 1 : settled->positives < (double)c)) return status;
    return cdul_fail(err, CDUL_ERR_USAGE,
                     "%g positives an image are not possible with %zu class%s: give "
                     "--calibrate-positives, below that",
                     scaled ? ZSCORE_POSITIVES : settled->positives, c, c == 1 ? "" : "es");
}

cdul_status cdul_label_finish(const cdul_label_params *settled, const cdul_reference *reference,
                              cdul_label_result *out, cdul_error *err) {
    float *y = out->labels.values;
    const size_t n = out->labels.images.count, c = out->labels.classes.count;
    double positives = settled->positives, scale = 1;
    if (reference->rows) cdul_reference_calibrate(reference, y, n, c, &scale);
    if (!(scale > 0))
        cdul_warn(settled->callbacks, "the encoder's probabilities and the z-scores of its cosines "
                                      "contradict each other: is its temperature right?");
    if (isnan(positives)) positives = scale > 0 ? 0 : ZSCORE_POSITIVES;
    cdul_status status = CDUL_OK;
    if (positives != 0) status = cdul_calibrate_positives(y, n, c, positives, NULL, err);
    return status == CDUL_OK ? cdul_label_summarise(y, n, c, &out->summary, err) : status;
}

/* --- Opening --- */

/* Keeps part `part` of `parts` of the images: by the hash of a name, so that a new file moves no
 * other. */
static cdul_status take_part(size_t part, size_t parts, cdul_label_job *job, cdul_error *err) {
    cdul_strings *paths = &job->paths, *names = &job->names;
    size_t kept = 0;
    if (part < 1 || part > parts)
        return cdul_fail(err, CDUL_ERR_USAGE, "part %zu of %zu: there is no such part", part,
                         parts);
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        if (cdul_hash(CDUL_HASH_START, name, strlen(name)) % parts == part - 1) {
            paths->items[kept] = paths->items[i];
            names->items[kept++] = names->items[i];
        } else {
            free(paths->items[i]);
            free(names->items[i]);
        }
    }
    paths->count = names->count = kept;
    if (kept == 0)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "shard %zu/%zu holds none of the images: use fewer parts", part, parts);
    return CDUL_OK;
}

static cdul_status list_images(cdul_label_job *job, cdul_error *err) {
    const cdul_label_params *params = &job->params;
    if (params->n_images == 0)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "no images: name folders, files, @list.txt, or - for a list on stdin");
    cdul_status status = cdul_list_images(params->images, params->n_images, &params->list,
                                          &job->paths, &job->names, err);
    if (status == CDUL_OK && params->parts)
        status = take_part(params->part, params->parts, job, err);
    return status;
}

static cdul_status open_encoder(cdul_label_job *job, cdul_error *err) {
    const cdul_label_params *params = &job->params;
    const bool automatic = params->precision == CDUL_INFERENCE_AUTO;
    const cdul_encoder_options options = {
        .threads = params->threads,
        .batch = params->batch,
        .provider = params->provider,
        .variant = params->variant,
        .precision = automatic ? CDUL_INFERENCE_FP32 : params->precision,
        .callbacks = params->callbacks,
    };
    if (options.variant && options.precision == CDUL_INFERENCE_INT8)
        return cdul_fail(
            err, CDUL_ERR_USAGE,
            "--variant %s says which graph, and --precision int8 another: leave one of them out",
            options.variant);
    cdul_status status =
        automatic && !params->parts
            ? cdul_encoder_choose(params->encoder, &options, &job->paths, &params->decode,
                                  params->cache, &job->encoder, err)
            : cdul_encoder_open(params->encoder, &options, &job->encoder, err);
    if (status != CDUL_OK) return status;
    const cdul_strings *notes = cdul_encoder_notes(job->encoder);
    for (size_t i = 0; i < notes->count; i++)
        cdul_warn(params->callbacks, "%s: %s", params->encoder, notes->items[i]);
    const char *placement = cdul_encoder_placement(job->encoder);
    if (strcmp(placement, "CPU") != 0) cdul_say(params->callbacks, "provider: %s", placement);
    return CDUL_OK;
}

static cdul_status open_text(cdul_label_job *job, cdul_error *err) {
    const cdul_label_params *params = &job->params;
    const cdul_text *text = &job->text;
    cdul_status status = cdul_encoder_text(job->encoder, params->classes, params->templates,
                                           params->text, &job->text, err);
    if (status != CDUL_OK) return status;
    if (text->prompts == 0 && !params->text)
        cdul_say(params->callbacks, "class vectors: text.safetensors in %s", params->encoder);
    if (text->prompts == 0 && params->templates && params->templates->count > 0)
        cdul_warn(params->callbacks,
                  "class vectors come from a file: --template and --templates have no use");
    if (text->cut_prompts)
        cdul_warn(params->callbacks,
                  "%zu prompts are longer than the encoder's context and were cut",
                  text->cut_prompts);
    return CDUL_OK;
}

/* What is looked at besides the whole image. It is in the cache's key, so a cache holds it, and so
 * does a file of cosines, even if this run's aggregator does without. */
static cdul_status choose_locals(cdul_label_job *job, cdul_error *err) {
    const cdul_label_params *params = &job->params;
    cdul_patches patches = {0};
    cdul_status status = CDUL_OK;
    if (params->local == CDUL_LOCAL_DENSE)
        status = cdul_encoder_patches(job->encoder, &patches, err);
    if (params->aggregate.aggregator == CDUL_AGGREGATE_GLOBAL && !params->cache &&
        !params->save_scores)
        return status;
    job->embed.patches = patches;
    if (params->local == CDUL_LOCAL_CROPS) job->embed.crops = &job->crops;
    return status;
}

static cdul_status open_job(cdul_label_job *job, cdul_error *err) {
    cdul_label_params *params = &job->params;
    if (params->grid && params->local == CDUL_LOCAL_DENSE)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "--grid %s cuts crops, and --local dense takes the encoder's own patches: "
                         "leave one of them out",
                         params->grid);
    if (!params->encoder)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "no encoder: give its folder with --encoder, or cosines with --scores");
    if (params->aggregate.aggregator == CDUL_AGGREGATE_DISCRIMINANT &&
        (!params->cache || params->parts))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         params->parts
                             ? "--aggregate discriminant looks at all images, and --shard "
                               "labels some: take another aggregator"
                             : "--aggregate discriminant looks at each view twice: give "
                               "a folder that keeps them with --cache");
    job->embed = (cdul_embed_options){.mirror = params->mirror,
                                      .decode = params->decode,
                                      .reduce = params->reduce,
                                      .threads = cdul_threads(params->threads)};
    const char *grid = params->grid ? params->grid : CDUL_DEFAULT_GRID;
    cdul_status status = CDUL_OK;
    if (params->local == CDUL_LOCAL_CROPS) status = cdul_crops_parse(grid, &job->crops, err);
    if (status == CDUL_OK) status = list_images(job, err);
    if (status == CDUL_OK) status = open_encoder(job, err);
    if (status == CDUL_OK) status = open_text(job, err);
    if (status == CDUL_OK) status = choose_locals(job, err);
    if (status != CDUL_OK) return status;
    const cdul_encoder_score known = known_score(job);
    status = cdul_label_settle(params, &known, params->encoder, &job->reference, err);
    params->aggregate.background = job->reference.options.background = job->text.background;
    if (status == CDUL_OK && params->cache)
        status = cdul_cache_open(params->cache, job->encoder, &job->embed, params->callbacks,
                                 &job->cache, err);
    return status;
}

cdul_status cdul_label(const cdul_label_params *params, cdul_label_result *out, cdul_error *err) {
    cdul_label_job job = {.params = *params};
    const double start = cdul_seconds();
    *out = (cdul_label_result){0};
    cdul_status status = open_job(&job, err);
    if (status == CDUL_OK) status = cdul_label_rows(&job, out, err);
    if (status == CDUL_OK) out->precision = cdul_encoder_precision(job.encoder);
    cdul_cache_close(job.cache);
    cdul_encoder_close(job.encoder);
    cdul_text_free(&job.text);
    cdul_strings_free(&job.paths);
    cdul_strings_free(&job.names);
    cdul_crops_free(&job.crops);
    out->seconds = cdul_seconds() - start;
    if (status != CDUL_OK) cdul_label_result_free(out);
    return status;
}
