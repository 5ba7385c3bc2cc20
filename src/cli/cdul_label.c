/* cdul-label: images and class names to pseudo-labels. */
#include "base/file.h"
#include "base/skipped.h"
#include "cdul/versions.h"
#include "label/pipeline.h"
#include "label/shard.h"
#include "label/summary.h"
#include "programs.h"
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cdul_status versions(const void *user, FILE *out, cdul_error *err) {
    const cdul_label_options *o = user;
    cdul_image_versions(out);
    cdul_encoder_versions(out);
    cdul_label_versions(out);
    return cdul_session_versions(o->provider.library, out, err);
}

/* --- Options to settings --- */

/* Without an expected number of positives z-scores have no scale of their own: VOC's 1.5 classes an
 * image is as good a guess as any. The help of --calibrate-positives says so. */
static const double ZSCORE_POSITIVES = 1.5;

static bool is_zscore(const cdul_label_options *o) {
    return o->aggregate == CDUL_AGGREGATE_ZSCORE;
}

/* How cosines become scores: as the options say, else as the encoder was trained. `where` is its
 * folder, or the file of cosines, of which nothing is known. */
static cdul_status choose_score(const cdul_label_options *o, const cdul_encoder_score *known,
                                const char *where, cdul_aggregate_options *out, cdul_error *err) {
    bool sigmoid = o->score == CDUL_CHOICE_NONE ? known->sigmoid : o->score == CDUL_SCORE_SIGMOID;
    double temperature = isnan(o->temperature) ? known->temperature : o->temperature;
    double bias = isnan(o->bias) ? known->bias : o->bias;
    if (is_zscore(o)) {
        out->temperature = 1; /* not used */
        if (o->score == CDUL_CHOICE_NONE && isnan(o->temperature) && isnan(o->bias)) return CDUL_OK;
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "--aggregate zscore standardises cosines instead: leave --score, "
                         "--temperature and --bias out");
    }
    if (!sigmoid && !isnan(o->bias))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "--bias does nothing to a softmax; with --score sigmoid it has its use");
    if (sigmoid && (isnan(temperature) || isnan(bias)))
        return cdul_fail(
            err, CDUL_ERR_USAGE,
            "%s: sigmoid scores need the model's temperature, 1 / exp(logit_scale), and bias, "
            "logit_bias: give%s%s",
            where, isnan(temperature) ? " --temperature" : "", isnan(bias) ? " --bias" : "");
    if (isnan(temperature))
        return cdul_fail(
            err, CDUL_ERR_USAGE,
            "%s: the model's temperature is not known: give --temperature, 0.01 for CLIP's cosines",
            where);
    out->score = sigmoid ? CDUL_SCORE_SIGMOID : CDUL_SCORE_SOFTMAX;
    out->temperature = temperature;
    out->bias = sigmoid ? bias : 0;
    return CDUL_OK;
}

/* Without the scores, which choose_score fills in. */
static cdul_label_settings settings_of(const cdul_label_options *o) {
    double positives = o->calibrate_positives;
    if (isnan(positives)) positives = is_zscore(o) ? ZSCORE_POSITIVES : 0;
    return (cdul_label_settings){.aggregate = {.aggregator = (cdul_aggregator)o->aggregate,
                                               .zeta = o->zeta,
                                               .lambda = o->lambda},
                                 .positives = positives,
                                 .save_scores = o->save_scores};
}

/* --- Output --- */

/* What cannot be written shall show before hours of work. */
static cdul_status check_outputs(const cdul_label_options *o, cdul_error *err) {
    const char *const paths[] = {o->output, o->csv, o->save_scores};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        cdul_file *file = NULL;
        if (!paths[i]) continue;
        cdul_status status = cdul_file_create(paths[i], &file, err);
        cdul_file_discard(&file);
        if (status) return status;
    }
    return CDUL_OK;
}

static cdul_status write_labels(const cdul_label_options *o, cdul_cli *cli,
                                const cdul_label_result *result, double took, cdul_error *err) {
    const cdul_labels *labels = &result->labels;
    cdul_status status = cdul_labels_write(o->output, labels, err);
    if (!status && o->csv) status = cdul_labels_write_csv(o->csv, labels, err);
    if (!status) status = cdul_label_report(cli->callbacks, result, took, err);
    if (status) return status;
    cdul_cli_say(cli, "labels: %s\nnext: cdul-train --labels %s IMAGES... -o run/", o->output,
                 o->output);
    return CDUL_OK;
}

static cdul_status write_skipped(const cdul_label_options *o, cdul_cli *cli,
                                 const cdul_skipped *skipped, cdul_error *err) {
    char *list = NULL;
    cdul_status status = cdul_skipped_write(skipped, o->output, &list, err);
    if (list) cdul_cli_warn(cli, "%zu images skipped: see %s", skipped->paths.count, list);
    cli->skipped = list != NULL;
    free(list);
    return status;
}

/* --- From images --- */

/* Everything a run from images holds open. */
typedef struct label_run {
    cdul_encoder *encoder;
    cdul_classes classes;
    cdul_strings templates;
    cdul_text text;
    cdul_strings paths, names;
    cdul_crops crops;
    cdul_cache *cache;
    cdul_skipped skipped;
    cdul_label_result result;
} label_run;

static void close_run(label_run *r) {
    cdul_cache_close(r->cache);
    cdul_encoder_close(r->encoder);
    cdul_classes_free(&r->classes);
    cdul_strings_free(&r->templates);
    cdul_text_free(&r->text);
    cdul_strings_free(&r->paths);
    cdul_strings_free(&r->names);
    cdul_crops_free(&r->crops);
    cdul_skipped_free(&r->skipped);
    cdul_labels_free(&r->result.labels);
}

/* What to look for; nothing was asked for if r->classes has no names. */
static cdul_status read_classes(const cdul_label_options *o, cdul_classes *classes,
                                cdul_error *err) {
    cdul_status status = o->classes ? cdul_classes_read(o->classes, classes, err) : CDUL_OK;
    if (!status && o->background_words)
        status = cdul_classes_read_background(o->background_words, classes, err);
    classes->synonyms = (cdul_synonyms)o->synonyms;
    return status;
}

static cdul_encoder_options encoder_options(const cdul_label_options *o, const cdul_cli *cli) {
    cdul_encoder_options options = cdul_encoder_defaults();
    options.threads = cli->parsed->threads;
    options.callbacks = cli->callbacks;
    options.provider = o->provider;
    options.variant = o->variant;
    if (o->precision != CDUL_INFERENCE_AUTO) options.precision = (cdul_inference)o->precision;
    if (o->batch > 0) options.batch = o->batch;
    return options;
}

/* Parts of one job must agree on the precision, and each would find its own. */
static bool chooses(const cdul_label_options *o) {
    return o->precision == CDUL_INFERENCE_AUTO && !o->shard;
}

static cdul_status open_tower(const cdul_label_options *o, cdul_cli *cli,
                              const cdul_decode_options *decode, label_run *r, cdul_error *err) {
    const cdul_encoder_options options = encoder_options(o, cli);
    if (o->variant && options.precision == CDUL_INFERENCE_INT8)
        return cdul_fail(
            err, CDUL_ERR_USAGE,
            "--variant %s says which graph, and --precision int8 another: leave one of them out",
            o->variant);
    return chooses(o) ? cdul_encoder_choose(o->encoder, &options, &r->paths, decode, o->cache,
                                            &r->encoder, err)
                      : cdul_encoder_open(o->encoder, &options, &r->encoder, err);
}

static cdul_status open_encoder(const cdul_label_options *o, cdul_cli *cli,
                                const cdul_decode_options *decode, label_run *r, cdul_error *err) {
    cdul_status status = open_tower(o, cli, decode, r, err);
    for (size_t i = 0; !status && i < cdul_encoder_notes(r->encoder)->count; i++)
        cdul_cli_warn(cli, "%s: %s", o->encoder, cdul_encoder_notes(r->encoder)->items[i]);
    if (!status && strcmp(cdul_encoder_placement(r->encoder), "CPU") != 0)
        cdul_cli_say(cli, "provider: %s", cdul_encoder_placement(r->encoder));
    if (!status) status = read_classes(o, &r->classes, err);
    const cdul_strings *templates = &o->template;
    if (!status && o->templates != CDUL_CHOICE_NONE) {
        static const char *const sets[] = {"simple", "openai-80"};
        status = cdul_templates_named(sets[o->templates], &r->templates, err);
        templates = &r->templates;
    }
    if (!status)
        status = cdul_encoder_text(r->encoder, &r->classes, templates, o->text, &r->text, err);
    if (!status && r->text.prompts == 0 && !o->text)
        cdul_cli_say(cli, "class vectors: text.safetensors in %s", o->encoder);
    if (!status && r->text.prompts == 0 && templates->count > 0)
        cdul_cli_warn(cli,
                      "class vectors come from a file: --template and --templates have no use");
    if (!status && r->text.cut_prompts)
        cdul_cli_warn(cli, "%zu prompts are longer than the encoder's context and were cut",
                      r->text.cut_prompts);
    return status;
}

static cdul_status list_images(const cdul_label_options *o, cdul_cli *cli, label_run *r,
                               cdul_error *err) {
    const cdul_strings *named = &cli->parsed->positional;
    if (named->count == 0)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "no images: name folders, files, @list.txt, or - for a list on stdin");
    cdul_list_options options = {.root = o->root, .nul_separated = o->null};
    cdul_status status = cdul_list_images((const char *const *)named->items, named->count, &options,
                                          &r->paths, &r->names, err);
    if (!status && o->shard) status = cdul_shard_select(o->shard, &r->paths, &r->names, err);
    return status;
}

static cdul_status open_cache(const cdul_label_options *o, cdul_cli *cli,
                              const cdul_embed_options *embed, label_run *r, cdul_error *err) {
    if (!o->cache) return CDUL_OK;
    return cdul_cache_open(o->cache, r->encoder, embed, cli->callbacks, &r->cache, err);
}

/* What is looked at besides the whole image. The encoder is open. */
static cdul_status choose_locals(const cdul_label_options *o, label_run *r,
                                 cdul_embed_options *embed, cdul_error *err) {
    /* They are in the cache's key, so a cache holds them even if this run's aggregator does
     * without. */
    bool needed = o->aggregate != CDUL_AGGREGATE_GLOBAL || o->cache || o->save_scores;
    cdul_patches patches = {0};
    if (o->local == CDUL_LOCAL_DENSE) {
        cdul_status status = cdul_encoder_patches(r->encoder, &patches, err);
        if (status) return status;
    }
    if (needed && o->local == CDUL_LOCAL_CROPS) embed->crops = &r->crops;
    if (needed) embed->patches = patches;
    return CDUL_OK;
}

static cdul_status label_images(const cdul_label_options *o, cdul_cli *cli, label_run *r,
                                cdul_error *err) {
    cdul_embed_options embed = {
        .mirror = o->mirror, .decode = cdul_decode_defaults(), .threads = cli->parsed->threads};
    cdul_label_settings settings = settings_of(o);
    double start = cdul_clock();
    embed.decode.exif = o->exif;
    embed.reduce = o->reduce;
    embed.decode.max_pixels = o->max_pixels > 0 ? o->max_pixels : cdul_decode_most_pixels();
    memcpy(embed.decode.background, o->background, sizeof o->background);
    cdul_status status = CDUL_OK;
    if (o->grid && o->local == CDUL_LOCAL_DENSE)
        status = cdul_fail(
            err, CDUL_ERR_USAGE,
            "--grid %s cuts crops, and --local dense takes the encoder's own patches: leave one "
            "of them out",
            o->grid);
    if (!status && o->local == CDUL_LOCAL_CROPS) status = cdul_crops_parse(o->grid, &r->crops, err);
    if (status || (status = list_images(o, cli, r, err)) ||
        (status = open_encoder(o, cli, &embed.decode, r, err)) ||
        (status = choose_locals(o, r, &embed, err)))
        return status;
    cdul_encoder_score known = cdul_encoder_score_of(r->encoder);
    bool text_knows = !isnan(r->text.logit_scale);
    if (text_knows && (known.assumed || isnan(known.temperature)))
        known.temperature = exp(-r->text.logit_scale);
    if (isnan(known.bias)) known.bias = r->text.logit_bias;
    if ((status = choose_score(o, &known, o->encoder, &settings.aggregate, err)) ||
        (status = open_cache(o, cli, &embed, r, err)))
        return status;
    status = cdul_label_images(r->encoder, &r->text, &r->paths, &r->names, &embed, r->cache,
                               &settings, &r->skipped, cli->callbacks, &r->result, err);
    if (status) return status;
    /* its index is worth the room that writing a long list of names takes */
    cdul_cache_close(r->cache);
    r->cache = NULL;
    cdul_label_options made = *o;
    made.precision = (int)cdul_encoder_precision(r->encoder);
    if (!(r->result.labels.config = cdul_options_json(cli->program, &made)))
        return cdul_fail_memory(err, "options");
    status = write_skipped(o, cli, &r->skipped, err);
    return status ? status : write_labels(o, cli, &r->result, cdul_clock() - start, err);
}

/* --- The other work --- */

static cdul_status label_scores(const cdul_label_options *o, cdul_cli *cli, cdul_error *err) {
    cdul_classes classes = {0};
    cdul_label_result result = {0};
    cdul_label_settings settings = settings_of(o);
    const cdul_encoder_score unknown = {.temperature = NAN, .bias = NAN};
    if (o->synonyms != CDUL_SYNONYMS_MEAN)
        return cdul_fail(
            err, CDUL_ERR_USAGE,
            "--scores has one cosine a class: --synonyms max must be given to the run that makes "
            "them");
    cdul_status status = choose_score(o, &unknown, o->scores, &settings.aggregate, err);
    if (!status) status = read_classes(o, &classes, err);
    if (!status) status = cdul_label_scores(o->scores, &classes, &settings, &result, err);
    if (!status && !(result.labels.config = cdul_options_json(cli->program, o)))
        status = cdul_fail_memory(err, "options");
    if (!status) status = write_labels(o, cli, &result, 0, err);
    cdul_labels_free(&result.labels);
    cdul_classes_free(&classes);
    return status;
}

static cdul_status merge(const cdul_label_options *o, cdul_cli *cli, cdul_error *err) {
    const cdul_strings *parts = &cli->parsed->positional;
    cdul_label_result result = {0};
    if (parts->count == 0)
        return cdul_fail(err, CDUL_ERR_USAGE, "--merge: name the label files to put together");
    cdul_status status =
        cdul_labels_merge((const char *const *)parts->items, parts->count, &result.labels, err);
    if (!status) status = write_labels(o, cli, &result, 0, err);
    cdul_labels_free(&result.labels);
    return status;
}

static cdul_status inspect(const cdul_label_options *o, const cdul_cli *cli, cdul_error *err) {
    cdul_encoder *encoder = NULL;
    const cdul_encoder_options options = encoder_options(o, cli);
    cdul_status status = cdul_encoder_open(o->inspect, &options, &encoder, err);
    if (!status) status = cdul_encoder_describe(encoder, stdout, err);
    cdul_encoder_close(encoder);
    return status;
}

static cdul_status check_idle(const cdul_label_options *o, const cdul_cli *cli, cdul_error *err) {
    const char *work = o->merge ? "--merge" : "--scores";
    const cdul_option *idle = NULL;
    if (!o->merge && !o->scores) return CDUL_OK;
    if ((idle = cdul_parsed_idle(cli->parsed, CDUL_LABEL_WITHOUT_IMAGES)))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s embeds no images, so --%s has no use: leave it out", work, idle->name);
    if (o->merge && (idle = cdul_parsed_idle(cli->parsed, CDUL_LABEL_MERGE)))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "--merge changes no label, so --%s has no use: give it to the runs of the "
                         "parts",
                         idle->name);
    if (!o->merge && cli->parsed->positional.count > 0)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "--scores looks at no images, so '%s' has no use: leave it out",
                         cli->parsed->positional.items[0]);
    return CDUL_OK;
}

/* A config may hold what only some aggregators read: no mistake, but worth a word. */
static void warn_unread(const cdul_label_options *o, const cdul_cli *cli) {
    if (o->zeta != 0 && o->aggregate != CDUL_AGGREGATE_CDUL)
        cdul_cli_warn(cli, "--zeta %g has no use: only --aggregate cdul reads it", o->zeta);
    if (o->lambda != 0 && o->aggregate == CDUL_AGGREGATE_GLOBAL)
        cdul_cli_warn(cli, "--lambda %g has no use: --aggregate global leaves the crops out",
                      o->lambda);
}

static cdul_status run(const void *user, cdul_cli *cli, cdul_error *err) {
    /* the grid has no default in the table, so that one given with --local dense shows */
    cdul_label_options effective = *(const cdul_label_options *)user;
    const cdul_label_options *o = &effective;
    if (!effective.grid && effective.local == CDUL_LOCAL_CROPS) effective.grid = "3x3";
    if (o->inspect) return inspect(o, cli, err);
    cdul_status status = check_idle(user, cli, err);
    if (status) return status;
    if (!o->output)
        return cdul_fail(err, CDUL_ERR_USAGE, "no output: give it with -o labels.safetensors");
    if ((status = check_outputs(o, err))) return status;
    if (o->merge) return merge(o, cli, err);
    warn_unread(o, cli);
    if (o->scores) return label_scores(o, cli, err);
    if (!o->encoder)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "no encoder: give its folder with --encoder, or cosines with --scores");
    label_run r = {0};
    status = label_images(o, cli, &r, err);
    if (status == CDUL_ERR_CANCELLED)
        cdul_cli_say(cli,
                     o->cache ? "finished images are in %s: run the same command again to go on"
                              : "nothing was kept: with --cache DIR an interrupted run goes on%s",
                     o->cache ? o->cache : "");
    close_run(&r);
    return status;
}

static void defaults(void *options) {
    cdul_label_options *o = options;
    o->exif = o->reduce = true;
    memset(o->background, 0xff, sizeof o->background);
    o->templates = o->score = CDUL_CHOICE_NONE;
    o->temperature = o->bias = o->calibrate_positives = NAN;
    o->provider.name = "cpu";
}

int main(int argc, char **argv) {
    const cdul_cli_program self = {&cdul_program_label, defaults, versions, run};
    return cdul_cli_main(&self, argc, argv);
}
