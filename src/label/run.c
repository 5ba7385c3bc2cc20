/* cdul_label: opens what the params name, and settles what they leave open, before pipeline.c makes
 * the labels. */
#include "base/machine.h"
#include "base/progress.h"
#include "label/pipeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Without an expected number of positives z-scores have no scale of their own: VOC's 1.5 classes an
 * image is as good a guess as any. */
static const double ZSCORE_POSITIVES = 1.5;

cdul_label_params cdul_label_defaults(void) {
    const cdul_encoder_options network = cdul_encoder_defaults();
    cdul_label_params params = {
        .provider = network.provider,
        .variant = network.variant,
        .precision = CDUL_INFERENCE_AUTO,
        .batch = network.batch,
        .threads = network.threads,
        .decode = cdul_decode_defaults(),
        .reduce = true,
        .local = CDUL_LOCAL_CROPS,
        .aggregate = cdul_aggregate_defaults(),
        .positives = NAN,
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

static cdul_status settle_scores(const cdul_aggregate_options *asked,
                                 const cdul_encoder_score *known, const char *where,
                                 cdul_aggregate_options *out, cdul_error *err) {
    bool sigmoid =
        asked->score == CDUL_SCORE_AUTO ? known->sigmoid : asked->score == CDUL_SCORE_SIGMOID;
    double temperature = isnan(asked->temperature) ? known->temperature : asked->temperature;
    double bias = isnan(asked->bias) ? known->bias : asked->bias;
    if (!sigmoid && !isnan(asked->bias))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "--bias does nothing to a softmax; with --score sigmoid it has its use");
    if (sigmoid && (isnan(temperature) || isnan(bias)))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: sigmoid scores need the model's temperature, 1 / exp(logit_scale), "
                         "and bias, logit_bias: give%s%s",
                         where, isnan(temperature) ? " --temperature" : "",
                         isnan(bias) ? " --bias" : "");
    if (isnan(temperature))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: the model's temperature is not known: give it (--temperature, 0.01 "
                         "for CLIP's cosines)",
                         where);
    out->score = sigmoid ? CDUL_SCORE_SIGMOID : CDUL_SCORE_SOFTMAX;
    out->temperature = temperature;
    out->bias = sigmoid ? bias : 0;
    return CDUL_OK;
}

cdul_status cdul_label_settle(const cdul_label_params *params, const cdul_encoder_score *known,
                              const char *where, cdul_label_settings *out, cdul_error *err) {
    const cdul_aggregate_options *asked = &params->aggregate;
    const bool zscore = asked->aggregator == CDUL_AGGREGATE_ZSCORE;
    *out = (cdul_label_settings){.aggregate = *asked, .positives = params->positives};
    if (isnan(out->positives)) out->positives = zscore ? ZSCORE_POSITIVES : 0;
    if (!zscore) return settle_scores(asked, known, where, &out->aggregate, err);
    if (asked->score != CDUL_SCORE_AUTO || !isnan(asked->temperature) || !isnan(asked->bias))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "--aggregate zscore standardises cosines instead: leave --score, "
                         "--temperature and --bias out");
    out->aggregate.score = CDUL_SCORE_SOFTMAX; /* neither is used */
    out->aggregate.temperature = 1;
    out->aggregate.bias = 0;
    return CDUL_OK;
}

/* Of two sources the encoder wins, but for a temperature that it only assumes. */
static cdul_encoder_score known_score(const cdul_label_job *job) {
    cdul_encoder_score known = cdul_encoder_score_of(job->encoder);
    bool text_knows = !isnan(job->text.logit_scale);
    if (text_knows && (known.assumed || isnan(known.temperature)))
        known.temperature = exp(-job->text.logit_scale);
    if (isnan(known.bias)) known.bias = job->text.logit_bias;
    return known;
}

cdul_status cdul_label_check_positives(const cdul_label_settings *settings, size_t c,
                                       cdul_error *err) {
    if (settings->positives < (double)c) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_USAGE,
                     "%g positives an image are not possible with %zu class%s: give "
                     "--calibrate-positives, below that",
                     settings->positives, c, c == 1 ? "" : "es");
}

cdul_status cdul_label_finish(const cdul_label_settings *settings, cdul_label_result *out,
                              cdul_error *err) {
    const cdul_labels *labels = &out->labels;
    const size_t n = labels->images.count, c = labels->classes.count;
    cdul_status status = CDUL_OK;
    if (settings->positives != 0)
        status = cdul_calibrate_positives(labels->values, n, c, settings->positives, NULL, err);
    return status == CDUL_OK ? cdul_label_summarise(labels->values, n, c, &out->summary, err)
                             : status;
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

static cdul_status list_images(const cdul_label_params *params, cdul_label_job *job,
                               cdul_error *err) {
    if (params->n_images == 0)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "no images: name folders, files, @list.txt, or - for a list on stdin");
    cdul_status status = cdul_list_images(params->images, params->n_images, &params->list,
                                          &job->paths, &job->names, err);
    if (status == CDUL_OK && params->parts)
        status = take_part(params->part, params->parts, job, err);
    return status;
}

static cdul_status open_tower(const cdul_label_params *params, cdul_label_job *job,
                              cdul_error *err) {
    const bool automatic = params->precision == CDUL_INFERENCE_AUTO;
    const bool choose = automatic && !params->parts;
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
    return choose ? cdul_encoder_choose(params->encoder, &options, &job->paths, &params->decode,
                                        params->cache, &job->encoder, err)
                  : cdul_encoder_open(params->encoder, &options, &job->encoder, err);
}

static cdul_status open_encoder(const cdul_label_params *params, cdul_label_job *job,
                                cdul_error *err) {
    cdul_status status = open_tower(params, job, err);
    if (status != CDUL_OK) return status;
    const cdul_strings *notes = cdul_encoder_notes(job->encoder);
    for (size_t i = 0; i < notes->count; i++)
        cdul_warn(job->callbacks, "%s: %s", params->encoder, notes->items[i]);
    if (strcmp(cdul_encoder_placement(job->encoder), "CPU") != 0)
        cdul_say(job->callbacks, "provider: %s", cdul_encoder_placement(job->encoder));
    return CDUL_OK;
}

static cdul_status open_text(const cdul_label_params *params, cdul_label_job *job,
                             cdul_error *err) {
    const cdul_text *text = &job->text;
    cdul_status status = cdul_encoder_text(job->encoder, params->classes, params->templates,
                                           params->text, &job->text, err);
    if (status != CDUL_OK) return status;
    if (text->prompts == 0 && !params->text)
        cdul_say(job->callbacks, "class vectors: text.safetensors in %s", params->encoder);
    if (text->prompts == 0 && params->templates && params->templates->count > 0)
        cdul_warn(job->callbacks,
                  "class vectors come from a file: --template and --templates have no use");
    if (text->cut_prompts)
        cdul_warn(job->callbacks, "%zu prompts are longer than the encoder's context and were cut",
                  text->cut_prompts);
    return CDUL_OK;
}

/* What is looked at besides the whole image. It is in the cache's key, so a cache holds it, and so
 * does a file of cosines, even if this run's aggregator does without. */
static cdul_status choose_locals(const cdul_label_params *params, cdul_label_job *job,
                                 cdul_error *err) {
    const bool needed = params->aggregate.aggregator != CDUL_AGGREGATE_GLOBAL || params->cache ||
                        params->save_scores;
    cdul_patches patches = {0};
    cdul_status status = CDUL_OK;
    if (params->local == CDUL_LOCAL_DENSE)
        status = cdul_encoder_patches(job->encoder, &patches, err);
    else if (needed)
        job->embed.crops = &job->crops;
    if (needed) job->embed.patches = patches;
    return status;
}

static cdul_status open_job(const cdul_label_params *params, cdul_label_job *job, cdul_error *err) {
    if (params->grid && params->local == CDUL_LOCAL_DENSE)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "--grid %s cuts crops, and --local dense takes the encoder's own patches: "
                         "leave one of them out",
                         params->grid);
    if (!params->encoder)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "no encoder: give its folder with --encoder, or cosines with --scores");
    job->embed = (cdul_embed_options){.mirror = params->mirror,
                                      .decode = params->decode,
                                      .reduce = params->reduce,
                                      .threads = cdul_threads(params->threads)};
    cdul_status status = CDUL_OK;
    if (params->local == CDUL_LOCAL_CROPS)
        status =
            cdul_crops_parse(params->grid ? params->grid : CDUL_DEFAULT_GRID, &job->crops, err);
    if (status == CDUL_OK) status = list_images(params, job, err);
    if (status == CDUL_OK) status = open_encoder(params, job, err);
    if (status == CDUL_OK) status = open_text(params, job, err);
    if (status == CDUL_OK) status = choose_locals(params, job, err);
    if (status != CDUL_OK) return status;
    const cdul_encoder_score known = known_score(job);
    status = cdul_label_settle(params, &known, params->encoder, &job->settings, err);
    if (status == CDUL_OK && params->cache)
        status = cdul_cache_open(params->cache, job->encoder, &job->embed, job->callbacks,
                                 &job->cache, err);
    return status;
}

static void close_job(cdul_label_job *job) {
    cdul_cache_close(job->cache);
    cdul_encoder_close(job->encoder);
    cdul_text_free(&job->text);
    cdul_strings_free(&job->paths);
    cdul_strings_free(&job->names);
    cdul_crops_free(&job->crops);
}

cdul_status cdul_label(const cdul_label_params *params, cdul_label_result *out, cdul_error *err) {
    cdul_label_job job = {.save_scores = params->save_scores, .callbacks = params->callbacks};
    const double start = cdul_seconds();
    *out = (cdul_label_result){0};
    cdul_status status = open_job(params, &job, err);
    if (status == CDUL_OK) status = cdul_label_rows(&job, out, err);
    if (status == CDUL_OK) out->precision = cdul_encoder_precision(job.encoder);
    close_job(&job);
    out->seconds = cdul_seconds() - start;
    if (status != CDUL_OK) cdul_label_result_free(out);
    return status;
}
