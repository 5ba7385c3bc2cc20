/* cdul-eval: labels or predictions against ground truth. */
#include "cdul/versions.h"
#include "programs.h"
#include "report/curves.h"
#include "report/evaluation.h"
#include "run.h"

#include <stdlib.h>

static cdul_status evaluate_all(const cdul_evaluation_context *context, const cdul_strings *paths,
                                cdul_evaluation *evaluations, cdul_error *err) {
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < paths->count && status == CDUL_OK; i++)
        status = cdul_interrupted()
                     ? cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted: run the same command again")
                     : cdul_evaluation_run(context, paths->items[i], &evaluations[i], err);
    return status;
}

static cdul_status report(const cdul_eval_options *options, cdul_cli *cli,
                          const cdul_evaluation_context *context,
                          const cdul_evaluation *evaluations, size_t count, cdul_error *err) {
    if (options->plots) {
        cdul_status status = cdul_curves_write(options->plots, context, evaluations, count, err);
        if (status != CDUL_OK) return status;
        cdul_cli_say(cli, "curves: %s/precision-recall.svg", options->plots);
    }
    if (options->json) return cdul_evaluation_print_json(stdout, context, evaluations, count, err);
    cdul_evaluation_print(stdout, context, evaluations, count,
                          options->per_class || cli->parsed->level >= CDUL_VERBOSE);
    return CDUL_OK;
}

static cdul_status run(const void *user, cdul_cli *cli, cdul_error *err) {
    const cdul_eval_options *options = user;
    const cdul_strings *paths = &cli->parsed->positional;
    if (!options->truth)
        return cdul_fail(err, CDUL_ERR_USAGE, "no ground truth: give it with --truth");
    if (paths->count == 0)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "nothing to evaluate: name a label file or predictions");
    cdul_interrupt_limit(4, "cdul-eval: interrupted: run the same command again\n");
    cdul_truth truth = {0};
    cdul_evaluation_context context = {.truth_path = options->truth,
                                       .truth = &truth,
                                       .options = {.difficult = (cdul_difficult)options->difficult,
                                                   .ap = (cdul_ap)options->ap,
                                                   .threshold = options->threshold,
                                                   .top = options->top_k,
                                                   .threads = cli->parsed->threads},
                                       .drop_empty = options->drop_empty};
    cdul_evaluation *evaluations = calloc(paths->count, sizeof *evaluations);
    cdul_status status = evaluations ? cdul_truth_read(options->truth, &truth, err)
                                     : cdul_fail_memory(err, "evaluation");
    if (status == CDUL_OK) status = evaluate_all(&context, paths, evaluations, err);
    if (status == CDUL_OK) status = report(options, cli, &context, evaluations, paths->count, err);
    for (size_t i = 0; evaluations && i < paths->count; i++) cdul_evaluation_free(&evaluations[i]);
    free(evaluations);
    cdul_truth_free(&truth);
    return status;
}

static cdul_status versions(const void *options, FILE *out, cdul_error *err) {
    (void)options, (void)err;
    cdul_eval_versions(out);
    return CDUL_OK;
}

int main(int argc, char **argv) {
    return cdul_cli_main(&cdul_program_eval, versions, run, argc, argv);
}
