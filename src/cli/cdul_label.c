/* cdul-label: images and class names to pseudo-labels. */
#include "cdul/file.h"
#include "cdul/label.h"
#include "cdul/versions.h"
#include "programs.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void versions(FILE *out) {
    cdul_image_versions(out);
    cdul_encoder_versions(out);
    cdul_label_versions(out);
    cdul_session_versions(out);
}

/* --- Options to params --- */

/* Reads the classes and background words. No names stand for all of the text file. */
static cdul_status read_classes(const cdul_label_cli *o, cdul_classes *classes, cdul_error *err) {
    cdul_status status = o->classes ? cdul_classes_read(o->classes, classes, err) : CDUL_OK;
    if (status == CDUL_OK && o->background_words)
        status = cdul_classes_read_background(o->background_words, classes, err);
    classes->synonyms = o->synonyms;
    return status;
}

static cdul_status read_templates(const cdul_label_cli *o, cdul_strings *templates,
                                  cdul_error *err) {
    static const char *const sets[] = {
        [CDUL_TEMPLATES_SIMPLE] = "simple", [CDUL_TEMPLATES_OPENAI_80] = "openai-80"};
    return o->templates == CDUL_TEMPLATES_GIVEN
               ? cdul_strings_copy(&o->template, templates, err)
               : cdul_templates_named(sets[o->templates], templates, err);
}

static cdul_status read_shard(const char *shard, size_t *part, size_t *parts, cdul_error *err) {
    unsigned long i = 0, n = 0;
    int end = 0;
    if (!shard) return CDUL_OK;
    if (sscanf(shard, "%9lu/%9lu%n", &i, &n, &end) != 2 || shard[end] || i < 1 || i > n)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "shard %s: expected I/N with 1 <= I <= N, for instance 2/4", shard);
    *part = i;
    *parts = n;
    return CDUL_OK;
}

/* --- Output --- */

/* A path that cannot be written fails here, before hours of work. */
static cdul_status check_outputs(const cdul_label_cli *o, cdul_error *err) {
    const char *const paths[] = {o->output, o->csv, o->label.save_scores};
    cdul_status status = CDUL_OK;
    for (size_t i = 0; status == CDUL_OK && i < sizeof paths / sizeof *paths; i++)
        if (paths[i]) status = cdul_file_check(paths[i], err);
    return status;
}

static cdul_status write_labels(const cdul_label_cli *o, cdul_cli *cli,
                                const cdul_label_result *result, cdul_error *err) {
    const cdul_labels *labels = &result->labels;
    cdul_status status = cdul_labels_write(o->output, labels, err);
    if (status == CDUL_OK && o->csv) status = cdul_labels_write_csv(o->csv, labels, err);
    if (status == CDUL_OK) status = cdul_label_report(result, cli->callbacks, err);
    if (status == CDUL_OK)
        cdul_cli_say(cli, "labels: %s\nnext: cdul-train --labels %s IMAGES... -o run/", o->output,
                     o->output);
    return status;
}

static cdul_status write_skipped(const cdul_label_cli *o, cdul_cli *cli,
                                 const cdul_skipped *skipped, cdul_error *err) {
    char *list = NULL;
    cdul_status status = cdul_skipped_write(skipped, o->output, &list, err);
    if (list) cdul_cli_warn(cli, "%zu images skipped: see %s", skipped->paths.count, list);
    cli->skipped = list != NULL;
    free(list);
    return status;
}

/* --- The work --- */

/* The label file holds the options that made it, with the precision that was chosen. */
static cdul_status write_all(const cdul_label_cli *o, cdul_cli *cli, cdul_label_result *result,
                             cdul_error *err) {
    cdul_label_cli made = *o;
    if (!o->scores) made.label.precision = result->precision;
    result->labels.config = cdul_options_json(&cdul_program_label, &made);
    if (!result->labels.config) return cdul_fail_memory(err, "options");
    cdul_status status = o->scores ? CDUL_OK : write_skipped(o, cli, &result->skipped, err);
    return status == CDUL_OK ? write_labels(o, cli, result, err) : status;
}

static cdul_status label(const cdul_label_cli *o, cdul_cli *cli, cdul_error *err) {
    const cdul_strings *images = &cli->parsed->positional;
    cdul_classes classes = {0};
    cdul_strings templates = {0};
    cdul_label_result result = {0};
    cdul_label_params params = o->label;
    params.threads = cli->parsed->threads;
    params.callbacks = cli->callbacks;
    params.classes = &classes;
    params.templates = &templates;
    params.images = (const char *const *)images->items;
    params.n_images = images->count;
    cdul_status status = read_shard(o->shard, &params.part, &params.parts, err);
    if (status == CDUL_OK) status = read_classes(o, &classes, err);
    if (status == CDUL_OK) status = read_templates(o, &templates, err);
    if (status == CDUL_OK)
        status = o->scores ? cdul_label_scores(o->scores, &params, &result, err)
                           : cdul_label(&params, &result, err);
    if (status == CDUL_OK) status = write_all(o, cli, &result, err);
    if (status == CDUL_ERR_CANCELLED)
        cdul_cli_say(cli,
                     o->label.cache
                         ? "finished images are in %s: run the same command again to go on"
                         : "nothing was kept: with --cache DIR an interrupted run goes on%s",
                     o->label.cache ? o->label.cache : "");
    cdul_label_result_free(&result);
    cdul_classes_free(&classes);
    cdul_strings_free(&templates);
    return status;
}

static cdul_status merge(const cdul_label_cli *o, cdul_cli *cli, cdul_error *err) {
    const cdul_strings *parts = &cli->parsed->positional;
    cdul_label_result result = {0};
    cdul_labels *labels = &result.labels;
    if (parts->count == 0)
        return cdul_fail(err, CDUL_ERR_USAGE, "--merge: name the label files to put together");
    cdul_status status =
        cdul_labels_merge((const char *const *)parts->items, parts->count, labels, err);
    if (status == CDUL_OK)
        status = cdul_label_summarise(labels->values, labels->images.count, labels->classes.count,
                                      &result.summary, err);
    if (status == CDUL_OK) status = write_labels(o, cli, &result, err);
    cdul_label_result_free(&result);
    return status;
}

static cdul_status inspect(const cdul_label_cli *o, const cdul_cli *cli, cdul_error *err) {
    cdul_encoder *encoder = NULL;
    cdul_encoder_options options = cdul_encoder_defaults();
    options.threads = cli->parsed->threads;
    options.callbacks = cli->callbacks;
    options.provider = o->label.provider;
    options.variant = o->label.variant;
    options.batch = o->label.batch;
    if (o->label.precision != CDUL_INFERENCE_AUTO) options.precision = o->label.precision;
    cdul_status status = cdul_encoder_open(o->inspect, &options, &encoder, err);
    if (status == CDUL_OK) status = cdul_encoder_describe(encoder, stdout, err);
    cdul_encoder_close(encoder);
    return status;
}

/* --- What has no use --- */

static cdul_status check_idle(const cdul_label_cli *o, const cdul_cli *cli, cdul_error *err) {
    const char *work = o->merge ? "--merge" : "--scores";
    if (!o->merge && !o->scores) return CDUL_OK;
    const cdul_option *idle = cdul_parsed_idle(cli->parsed, CDUL_LABEL_WITHOUT_IMAGES);
    if (idle)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s embeds no images, so --%s has no use: leave it out", work, idle->name);
    if (o->merge) idle = cdul_parsed_idle(cli->parsed, CDUL_LABEL_MERGE);
    if (idle)
        return cdul_fail(
            err, CDUL_ERR_USAGE,
            "--merge changes no label, so --%s has no use: give it to the runs of the parts",
            idle->name);
    if (!o->merge && cli->parsed->positional.count > 0)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "--scores looks at no images, so '%s' has no use: leave it out",
                         cli->parsed->positional.items[0]);
    return CDUL_OK;
}

/* Names options that this aggregator does not read. A config may hold them: no mistake. */
static void warn_unread(const cdul_label_cli *o, const cdul_cli *cli) {
    if (o->label.aggregate.zeta != 0 && o->label.aggregate.aggregator != CDUL_AGGREGATE_CDUL)
        cdul_cli_warn(cli, "--zeta %g has no use: only --aggregate cdul reads it",
                      o->label.aggregate.zeta);
    if (o->label.aggregate.lambda != 0 && o->label.aggregate.aggregator == CDUL_AGGREGATE_GLOBAL)
        cdul_cli_warn(cli, "--lambda %g has no use: --aggregate global leaves the crops out",
                      o->label.aggregate.lambda);
}

/* With the encoder that cdul brings along, where no other is named. */
static cdul_status label_by_default(cdul_label_cli *effective, cdul_cli *cli, cdul_error *err) {
    char *encoder = cdul_cli_share("encoder", err);
    if (!encoder) {
        cdul_error_prefix(err, "no encoder: give its folder with --encoder, or cosines with "
                               "--scores; for the default one");
        return CDUL_ERR_USAGE;
    }
    effective->label.encoder = encoder;
    cdul_status status = label(effective, cli, err);
    if (status == CDUL_OK)
        cdul_cli_say(cli, "encoder: EfficientNet-Lite0 with MiniLM-L6, which come with cdul; a "
                          "CLIP, with --encoder DIR, is better");
    free(encoder);
    return status;
}

static cdul_status run(const void *user, cdul_cli *cli, cdul_error *err) {
    cdul_label_cli effective = *(const cdul_label_cli *)user;
    if (effective.inspect) return inspect(&effective, cli, err);
    cdul_status status = check_idle(&effective, cli, err);
    if (status == CDUL_OK && !effective.output)
        status = cdul_fail(err, CDUL_ERR_USAGE, "no output: give it with -o labels.safetensors");
    if (status == CDUL_OK) status = check_outputs(&effective, err);
    if (status != CDUL_OK) return status;
    if (effective.merge) return merge(&effective, cli, err);
    if (!effective.label.grid && effective.label.local == CDUL_LOCAL_CROPS)
        effective.label.grid = CDUL_DEFAULT_GRID;
    warn_unread(&effective, cli);
    return effective.label.encoder || effective.scores ? label(&effective, cli, err)
                                                       : label_by_default(&effective, cli, err);
}

static void defaults(void *options) {
    cdul_label_cli *o = options;
    o->label = cdul_label_defaults();
    o->templates = CDUL_TEMPLATES_GIVEN;
}

int main(int argc, char **argv) {
    return cdul_cli_main(&cdul_program_label, defaults, versions, run, argc, argv);
}
