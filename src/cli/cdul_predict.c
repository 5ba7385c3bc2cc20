/* cdul-predict: images to the classes that are in them. */
#include "cdul/classifier.h"
#include "cdul/report.h"
#include "cdul/skipped.h"
#include "cdul/versions.h"
#include "programs.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    const cdul_predict_cli *options;
    cdul_predict_params params;
    cdul_cli *cli;
    cdul_classifier *classifier;
    const cdul_strings *classes; /* C */
    cdul_threshold threshold;
    float *common; /* [C] thresholds for the report, if they are not the model's */
    bool *picked; /* [C] of the image in hand */
    cdul_strings paths, names;
    cdul_predictions *predictions;
    cdul_html *html; /* NULL: no report */
    char subtitle[400];
    cdul_skipped skipped;
    cdul_status noted; /* whether all of them could be */
    cdul_error note_failure; /* if not */
    size_t predicted, labels; /* images, and classes reported for them */
} job;

static bool to_stdout(const job *j) { return strcmp(j->options->output, "-") == 0; }

/* --- While images come in --- */

static cdul_status add(void *user, size_t i, const float *scores, void *kept, cdul_error *err) {
    job *j = user;
    (void)err; /* what cannot be written shows when the file is committed */
    j->labels += cdul_threshold_pick(&j->threshold, cdul_classifier_thresholds(j->classifier),
                                     scores, j->classes->count, j->picked);
    j->predicted++;
    bool everything = j->options->format == CDUL_PREDICTIONS_CSV;
    cdul_predictions_add(j->predictions, j->names.items[i], scores, everything ? NULL : j->picked);
    if (j->html) cdul_html_add(j->html, i, j->names.items[i], kept, scores, j->picked);
    return CDUL_OK;
}

static void pass_over(void *user, size_t i, const char *reason) {
    job *j = user;
    if (to_stdout(j)) cdul_cli_warn(j->cli, "skipped: %s", reason);
    if (j->noted == CDUL_OK)
        j->noted = cdul_skipped_add(&j->skipped, j->paths.items[i], reason, &j->note_failure);
}

static cdul_status make_thumbnail(void *user, size_t i, const cdul_image *image, void **kept,
                                  cdul_error *err) {
    const job *j = user;
    cdul_thumbnail *thumbnail = NULL;
    cdul_status status = cdul_html_thumbnail(j->html, i, image, &thumbnail, err);
    *kept = thumbnail;
    return status;
}

static void drop_thumbnail(void *kept) { cdul_thumbnail_free(kept); }

/* --- From options --- */

/* Names a provider that is not the CPU; with -v says everything about the model. */
static void introduce(const job *j, cdul_inference asked) {
    static const char *const precisions[] = {[CDUL_INFERENCE_FP32] = "fp32",
                                             [CDUL_INFERENCE_BF16] = "bf16",
                                             [CDUL_INFERENCE_INT8] = "int8"};
    const char *placement = cdul_classifier_placement(j->classifier);
    const cdul_preprocess *p = cdul_classifier_preprocess(j->classifier);
    cdul_cli_detail(j->cli, "model: %s: %zu classes, %zu x %zu pixels",
                    cdul_classifier_path(j->classifier), j->classes->count, p->width, p->height);
    if (asked != CDUL_INFERENCE_AUTO) /* the choice says what it took */
        cdul_cli_detail(j->cli, "precision: %s", precisions[asked]);
    cdul_cli_tell(j->cli, strcmp(placement, "CPU") == 0 ? CDUL_EVENT_DETAIL : CDUL_EVENT_NOTE,
                  "provider: %s", placement);
}

static cdul_status open_classifier(job *j, cdul_error *err) {
    cdul_classifier_options options = j->options->network;
    options.threads = j->cli->parsed->threads;
    options.callbacks = j->cli->callbacks;
    const char *model = j->cli->parsed->positional.items[0];
    cdul_status status =
        cdul_classifier_choose(model, &options, &j->paths, &j->params.decode, &j->classifier, err);
    if (status != CDUL_OK) return status;
    j->classes = cdul_classifier_classes(j->classifier);
    introduce(j, options.precision);
    return CDUL_OK;
}

/* Standardised scores have another scale than the model's thresholds, so `auto` is then `relative`;
 * the k best classes have no threshold but one that was asked for. */
static cdul_status choose_threshold(job *j, cdul_error *err) {
    const cdul_predict_cli *o = j->options;
    cdul_status status = cdul_threshold_parse(o->threshold, &j->threshold, err);
    if (status != CDUL_OK) return status;
    j->threshold.top_k = o->top_k;
    if (j->threshold.kind != CDUL_THRESHOLD_AUTO) return CDUL_OK;
    if (o->top_k > 0 && !cdul_parsed_given(j->cli->parsed, "threshold"))
        j->threshold.kind = CDUL_THRESHOLD_FIXED; /* at 0: all */
    else if (o->predict.standardise)
        j->threshold.kind = CDUL_THRESHOLD_RELATIVE;
    return CDUL_OK;
}

static cdul_status list_images(job *j, cdul_error *err) {
    const cdul_strings *named = &j->cli->parsed->positional;
    if (named->count < 2)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: name images after the model: files, folders, @list.txt, or - for a "
                         "list on standard input",
                         named->count ? "no images" : "no model");
    return cdul_list_images((const char *const *)named->items + 1, named->count - 1,
                            &j->options->list, &j->paths, &j->names, err);
}

static void describe(job *j, char *threshold, size_t size) {
    const cdul_threshold *t = &j->threshold;
    if (t->kind == CDUL_THRESHOLD_AUTO)
        snprintf(threshold, size, "the model's thresholds");
    else if (t->kind == CDUL_THRESHOLD_RELATIVE)
        snprintf(threshold, size,
                 "threshold halfway between each image's smallest and largest score");
    else
        snprintf(threshold, size, "threshold %g", (double)t->value);
    if (t->top_k > 0) {
        size_t used = t->value > 0 || t->kind != CDUL_THRESHOLD_FIXED ? strlen(threshold) : 0;
        snprintf(threshold + used, size - used, "%sthe %zu best of each image", used ? ", " : "",
                 t->top_k);
    }
}

/* Thresholds for the report's histograms; NULL where images have different ones. */
static const float *shown_thresholds(job *j) {
    if (j->threshold.kind == CDUL_THRESHOLD_AUTO) return cdul_classifier_thresholds(j->classifier);
    if (j->threshold.kind == CDUL_THRESHOLD_RELATIVE || j->threshold.value <= 0) return NULL;
    for (size_t c = 0; c < j->classes->count; c++) j->common[c] = j->threshold.value;
    return j->common;
}

/* Outputs are opened before the first image: a path that cannot be written fails at once. */
static cdul_status open_outputs(job *j, cdul_error *err) {
    const cdul_predict_cli *o = j->options;
    char threshold[200];
    size_t c = j->classes->count;
    j->picked = calloc(c, sizeof *j->picked);
    j->common = calloc(c, sizeof *j->common);
    if (!j->picked || !j->common) return cdul_fail_memory(err, "predictions");
    cdul_status status =
        cdul_predictions_open(o->output, o->format, j->classes, &j->predictions, err);
    if (status != CDUL_OK || !o->html) return status;
    describe(j, threshold, sizeof threshold);
    snprintf(j->subtitle, sizeof j->subtitle, "%.180s: %s", cdul_classifier_path(j->classifier),
             threshold);
    cdul_html_options page = cdul_html_defaults();
    page.title = "Predictions";
    page.subtitle = j->subtitle;
    page.thresholds = shown_thresholds(j);
    page.images = j->paths.count;
    return cdul_html_open(o->html, &page, j->classes, &j->html, err);
}

/* --- The run --- */

static cdul_status predict(job *j, cdul_error *err) {
    const cdul_predict_cli *o = j->options;
    if (j->html) {
        j->params.keep = make_thumbnail;
        j->params.drop = drop_thumbnail;
    }
    cdul_status status = cdul_classifier_predict(j->classifier, &j->paths, &j->params, err);
    if (status == CDUL_OK && j->noted != CDUL_OK) {
        status = j->noted;
        *err = j->note_failure;
    }
    if (status == CDUL_ERR_CANCELLED && !to_stdout(j))
        cdul_error_prefix(err, "%s is not written; run the same command again", o->output);
    return status;
}

static cdul_status report_skipped(job *j, cdul_error *err) {
    char *list = NULL;
    cdul_status status = CDUL_OK;
    size_t count = j->skipped.paths.count;
    if (!to_stdout(j)) status = cdul_skipped_write(&j->skipped, j->options->output, &list, err);
    if (status == CDUL_OK && count > 0)
        cdul_cli_warn(j->cli, "%zu of %zu images skipped%s%s", count, j->paths.count,
                      list ? ": see " : "", list ? list : "");
    j->cli->skipped = count > 0;
    free(list);
    return status;
}

static void summarise(const job *j, double seconds) {
    const cdul_cli *cli = j->cli;
    const cdul_predict_cli *o = j->options;
    cdul_cli_say(cli, "%zu images, %zu labels (%.2f an image), %.1f images/s", j->predicted,
                 j->labels, j->predicted ? (double)j->labels / (double)j->predicted : 0,
                 seconds > 0 ? (double)j->predicted / seconds : 0);
    if (o->html) cdul_cli_say(cli, "report: %s", o->html);
    if (to_stdout(j)) return;
    cdul_cli_say(cli, "predictions: %s\nnext: cdul-eval --truth truth.csv %s", o->output,
                 o->output);
}

static void close_job(job *j) {
    cdul_predictions_discard(&j->predictions);
    cdul_html_discard(&j->html);
    cdul_classifier_close(j->classifier);
    cdul_strings_free(&j->paths);
    cdul_strings_free(&j->names);
    cdul_skipped_free(&j->skipped);
    free(j->picked);
    free(j->common);
}

static cdul_status run(const void *user, cdul_cli *cli, cdul_error *err) {
    const cdul_predict_cli *options = user;
    job j = {.options = options, .cli = cli, .params = options->predict};
    j.params.threads = cli->parsed->threads;
    j.params.predicted = add;
    j.params.skipped = pass_over;
    j.params.user = &j;
    cdul_status status = choose_threshold(&j, err);
    if (status == CDUL_OK) status = list_images(&j, err);
    if (status == CDUL_OK) status = open_classifier(&j, err);
    if (status == CDUL_OK) status = open_outputs(&j, err);
    const double start = cdul_clock();
    if (status == CDUL_OK) status = predict(&j, err);
    if (status == CDUL_OK && j.predicted == 0) status = cdul_skipped_fail(&j.skipped, err);
    if (status == CDUL_OK) status = cdul_predictions_commit(&j.predictions, err);
    if (status == CDUL_OK && j.html) status = cdul_html_commit(&j.html, err);
    if (status == CDUL_OK) status = report_skipped(&j, err);
    if (status == CDUL_OK) summarise(&j, cdul_clock() - start);
    close_job(&j);
    return status;
}

static void versions(FILE *out) {
    cdul_image_versions(out);
    cdul_session_versions(out);
}

static void defaults(void *options) {
    cdul_predict_cli *o = options;
    o->network = cdul_classifier_defaults();
    o->predict = cdul_predict_defaults();
    o->threshold = "auto";
    o->output = "-";
}

int main(int argc, char **argv) {
    return cdul_cli_main(&cdul_program_predict, defaults, versions, run, argc, argv);
}
