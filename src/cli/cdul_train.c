/* cdul-train: pseudo-labels to a classifier. */
#include "cdul/train.h"
#include "cdul/versions.h"
#include "programs.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A step on large pictures may take longer than one wants to wait for it, and it is not kept
 * anyway. */
#define INTERRUPT_SECONDS 4

/* Between two operations, threads of an OpenMP library spin by default, for milliseconds, on the
 * processors that the loader's threads or other programs could use: on a busy machine a run then
 * takes three to five times as long. Not to spin at all costs a tenth of the speed on an idle one,
 * as every operation wakes them anew. OpenMP reads the environment when it is loaded, which is
 * before main(): so the program starts itself once more, as --help says. The user's own setting
 * stays; without /proc, or for --help and the like, nothing happens. */
static void restart_with_little_spinning(int argc, char **argv) {
    enum { SHORTEST_RUN = 6 }; /* cdul-train -l FILE IMAGES -o DIR */
    if (argc < SHORTEST_RUN || getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    /* libgomp: some 50 microseconds; others know the policy only */
    if (setenv("OMP_WAIT_POLICY", "passive", 0) == 0 && setenv("GOMP_SPINCOUNT", "5000", 0) == 0)
        execv("/proc/self/exe", argv);
}

static void defaults(void *options) { ((cdul_train_cli *)options)->train = cdul_train_defaults(); }

static void versions(FILE *out) {
    cdul_image_versions(out);
    cdul_eval_versions(out);
    cdul_train_versions(out);
}

static void summarise(const cdul_train_params *options, const cdul_train_result *result,
                      cdul_cli *cli) {
    if (result->skipped > 0)
        cdul_cli_warn(cli, "%zu of %zu images skipped: see %s", result->skipped, result->images,
                      result->skipped_list);
    cdul_cli_say(cli,
                 "model of %zu classes: %s\nnext: cdul-predict %s IMAGES... -o predictions.jsonl",
                 result->classes, options->output, options->output);
}

static cdul_status export_model(const char *model, const char *output, cdul_cli *cli,
                                cdul_error *err) {
    if (!output) return cdul_fail(err, CDUL_ERR_USAGE, "--export needs -o: the ONNX file to write");
    cdul_status status = cdul_train_export(model, output, err);
    if (status == CDUL_OK)
        cdul_cli_say(cli, "model: %s\nnext: cdul-predict %s IMAGES... -o predictions.jsonl", output,
                     output);
    return status;
}

#define DEFAULT_ARCH "resnet50-caffe" /* of the weights that come with cdul */

/* The weights that training starts from: those named, none, or those that come with cdul, where
 * they fit the network. *owned is the caller's to free. */
static const char *choose_init(const cdul_train_params *asked, char **owned) {
    cdul_error missing;
    *owned = NULL;
    if (asked->init) return strcmp(asked->init, "none") == 0 ? NULL : asked->init;
    if (!asked->arch || strcmp(asked->arch, DEFAULT_ARCH) == 0)
        *owned = cdul_cli_share("resnet50.safetensors", &missing);
    return *owned;
}

static cdul_status run(const void *user, cdul_cli *cli, cdul_error *err) {
    const cdul_train_cli *options = user;
    if (options->export) return export_model(options->export, options->train.output, cli, err);
    char *init = NULL, *config = cdul_options_json(&cdul_program_train, options);
    if (!config) return cdul_fail_memory(err, "options");
    cdul_interrupt_limit(INTERRUPT_SECONDS,
                         "cdul-train: interrupted in the middle of a step; the same command with "
                         "--resume goes on after the last complete epoch\n");
    cdul_train_params params = options->train;
    params.images = &cli->parsed->positional;
    params.threads = cli->parsed->threads;
    params.config = config;
    params.init = choose_init(&options->train, &init);
    params.callbacks = cli->callbacks;
    cdul_train_result result = {0};
    cdul_status status = cdul_train(&params, &result, err);
    if (status == CDUL_OK && init)
        cdul_cli_say(cli, "start: ResNet-50 with ImageNet weights, which come with cdul");
    if (status == CDUL_OK) summarise(&options->train, &result, cli);
    cli->skipped = result.skipped > 0;
    cdul_train_result_free(&result);
    free(config);
    free(init);
    return status;
}

int main(int argc, char **argv) {
    restart_with_little_spinning(argc, argv);
    return cdul_cli_main(&cdul_program_train, defaults, versions, run, argc, argv);
}
