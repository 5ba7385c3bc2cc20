/* What a run is made from: defaults, ranges and what fits together. */
#include "cdul/train.h"

cdul_train_params cdul_train_defaults(void) {
    return (cdul_train_params){
        .exif = true,
        .background = {255, 255, 255},
        .holdout = 0.1,
        .bn = CDUL_BN_FROZEN,
        .head_bias = true,
        .size = 448,
        .resize = CDUL_RESIZE_SHORTEST,
        .epochs = 20,
        .batch = 16,
        .lr = 1e-5,
        .head_lr_mult = 100,
        .weight_decay = 0.01,
        .momentum = 0.9,
        .optimizer = CDUL_ADAMW,
        .schedule = CDUL_SCHEDULE_COSINE,
        .loss = CDUL_LOSS_BERNOULLI_KL,
        .bad_batch = CDUL_BAD_BATCH_STOP,
        .seed = 42,
        .align = true,
        /* the largest step of a latent logit is then 2 (docs/results.md compares) */
        .alignment = {CDUL_ALIGN_BCE, .sigma = 1, .eta = 5},
        .warmup = 2,
        .period = 1,
        .flip = true,
        .crop_scale_min = 0.5,
        .device = "cpu",
        .precision = CDUL_PRECISION_AUTO,
        .channels_last = true,
        .activation_copies = 3,
    };
}

static cdul_status check_ranges(const cdul_train_params *p, cdul_error *err) {
    const struct {
        const char *name;
        double value, least, most;
    } numbers[] = {
        {"holdout", p->holdout, 0, 0.9},
        /* the stem and four stages halve an image five times: below 32 nothing is left of it */
        {"size", (double)p->size, 32, 2048},
        {"resize", p->resize, CDUL_RESIZE_SHORTEST, CDUL_RESIZE_SQUASH},
        {"freeze", (double)p->freeze, 0, 4},
        {"epochs", (double)p->epochs, 1, 1e5},
        {"batch", (double)p->batch, 1, 65536},
        {"lr", p->lr, 0, 100},
        {"head-lr-mult", p->head_lr_mult, 0, 1e6},
        {"momentum", p->momentum, 0, 0.9999},
        {"weight-decay", p->weight_decay, 0, 10},
        {"lr-warmup", p->lr_warmup, 0, 1000},
        {"ema", p->ema, 0, 0.99999},
        {"warmup", (double)p->warmup, 0, 1e5},
        {"period", (double)p->period, 1, 1e5},
        {"sigma", p->alignment.sigma, 1e-3, 1e3},
        {"eta", p->alignment.eta, 0, 1e4},
        {"crop-scale-min", p->crop_scale_min, 0.01, 1},
        {"jitter", p->jitter, 0, 1},
        {"activation-copies", (double)p->activation_copies, 0, 1000},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!(numbers[i].value >= numbers[i].least && numbers[i].value <= numbers[i].most))
            return cdul_fail(err, CDUL_ERR_USAGE, "%s is %g: expected %g to %g", numbers[i].name,
                             numbers[i].value, numbers[i].least, numbers[i].most);
    return CDUL_OK;
}

cdul_status cdul_train_check(const cdul_train_params *p, cdul_error *err) {
    if (!p->labels || !p->output)
        return cdul_fail(err, CDUL_ERR_USAGE, "%s is required: %s", p->labels ? "-o" : "--labels",
                         p->labels ? "the run folder" : "the label file that cdul-label wrote");
    cdul_status status = check_ranges(p, err);
    if (status != CDUL_OK) return status;
    if (p->freeze > 0 && !p->init)
        return cdul_fail(
            err, CDUL_ERR_USAGE,
            "freeze %zu would keep random weights as they are: give --init weights.safetensors",
            p->freeze);
    if (p->lr_warmup >= (double)p->epochs)
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "lr-warmup %g is not shorter than the run of %zu epochs", p->lr_warmup,
                         p->epochs);
    return CDUL_OK;
}
