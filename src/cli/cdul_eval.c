/* cdul-eval: labels or predictions against ground truth. */
#include "cdul/report.h"
#include "cdul/versions.h"
#include "programs.h"
#include "run.h"

static cdul_status add_all(cdul_evaluation *evaluation, const cdul_strings *paths,
                           cdul_error *err) {
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < paths->count && status == CDUL_OK; i++)
        status = cdul_interrupted()
                     ? cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted: run the same command again")
                     : cdul_evaluation_add(evaluation, paths->items[i], err);
    return status;
}

static cdul_status report(const cdul_eval_cli *options, cdul_cli *cli,
                          const cdul_evaluation *evaluation, cdul_error *err) {
    if (options->plots) {
        cdul_status status = cdul_evaluation_draw(evaluation, options->plots, err);
        if (status != CDUL_OK) return status;
        cdul_cli_say(cli, "curves: %s/precision-recall.svg", options->plots);
    }
    if (options->json) return cdul_evaluation_print_json(evaluation, stdout, err);
    cdul_evaluation_print(evaluation, options->per_class || cli->parsed->level >= CDUL_VERBOSE,
                          stdout);
    return CDUL_OK;
}

static cdul_status run(const void *user, cdul_cli *cli, cdul_error *err) {
    const cdul_eval_cli *options = user;
    const cdul_strings *paths = &cli->parsed->positional;
    if (!options->truth)
        return cdul_fail(err, CDUL_ERR_USAGE, "no ground truth: give it with --truth");
    if (paths->count == 0)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "nothing to evaluate: name a label file or predictions");
    cdul_interrupt_limit(4, "cdul-eval: interrupted: run the same command again\n");
    cdul_evaluation_options how = options->how;
    how.metrics.threads = cli->parsed->threads;
    cdul_evaluation *evaluation = NULL;
    cdul_status status = cdul_evaluation_open(options->truth, &how, &evaluation, err);
    if (status == CDUL_OK) status = add_all(evaluation, paths, err);
    if (status == CDUL_OK) status = report(options, cli, evaluation, err);
    cdul_evaluation_close(evaluation);
    return status;
}

static void versions(FILE *out) { cdul_eval_versions(out); }

static void defaults(void *options) {
    ((cdul_eval_cli *)options)->how = cdul_evaluation_defaults();
}

int main(int argc, char **argv) {
    return cdul_cli_main(&cdul_program_eval, defaults, versions, run, argc, argv);
}
