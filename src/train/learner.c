/* The network as it is trained: where it comes from, one step of its optimiser, the average of its
 * weights, and the search for numbers that are not finite. */
#include "train/trainer.h"

#include "base/machine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- The network --- */

static cdul_status open_network(cdul_learner *l, const cdul_safetensors *weights,
                                const cdul_labels *labels, cdul_error *err) {
    const cdul_train_params *p = l->params;
    const char *said = weights ? cdul_safetensors_metadata(weights, "arch") : NULL;
    const char *name = p->arch ? p->arch : said ? said : "resnet50";
    cdul_resnet_options options = {.classes = labels->classes.count,
                                   .seed = p->seed,
                                   .freeze = p->freeze,
                                   .freeze_bn = p->bn == CDUL_BN_FROZEN,
                                   .channels_last = p->channels_last};
    cdul_status status = cdul_resnet_arch_find(name, &options.arch, err);
    if (status == CDUL_OK && said && strcmp(said, name) != 0)
        status =
            cdul_fail(err, CDUL_ERR_USAGE, "--arch %s, but %s holds a %s", name, p->init, said);
    if (status == CDUL_OK) status = cdul_device_parse(p->device, &options.device, err);
    if (status != CDUL_OK) return status;
    options.bfloat16 = p->precision == CDUL_PRECISION_AUTO
                           ? options.device.cuda || cdul_processor_has_bfloat16()
                           : p->precision == CDUL_PRECISION_BF16;
    bool new_head = !weights;
    status = cdul_resnet_new(&options, weights, weights ? &new_head : NULL, &l->net, err);
    if (status == CDUL_OK && new_head && p->head_bias)
        status = cdul_resnet_set_head_bias(l->net, labels->values, labels->images.count, err);
    return status;
}

/* --- The optimiser --- */

static cdul_status open_optimizer(cdul_learner *l, cdul_error *err) {
    const cdul_train_params *p = l->params;
    cdul_status status = cdul_optimizer_new(p->optimizer, p->momentum, &l->optimizer, err);
    if (status != CDUL_OK) return status;
    cdul_tensor **members = malloc(l->net->entry_count * sizeof(cdul_tensor *));
    if (!members) return cdul_fail_memory(err, "the optimiser's groups");
    cdul_scope s = {0};
    for (size_t group = 0; group < CDUL_LEARNER_GROUPS; group++) {
        bool head = group / 2, decays = group % 2 == 0;
        size_t count = 0;
        for (size_t i = 0; i < l->net->entry_count; i++) {
            const cdul_resnet_entry *e = &l->net->entries[i];
            bool is_weight = e->kind == CDUL_CONV_WEIGHT || e->kind == CDUL_HEAD_WEIGHT;
            if (e->trained && (e->stage == CDUL_RESNET_HEAD) == head && is_weight == decays)
                members[count++] = e->tensor;
        }
        if (count == 0) continue;
        double lr = p->lr * (head ? p->head_lr_mult : 1);
        cdul_optimizer_add_group(&s, l->optimizer, members, count, lr,
                                 decays ? p->weight_decay : 0);
        l->base_lr[l->groups++] = lr;
    }
    free(members);
    return cdul_scope_close(&s, err);
}

/* A copy of every tensor that training changes. */
static cdul_status open_average(cdul_learner *l, cdul_error *err) {
    const cdul_train_params *p = l->params;
    if (!(p->ema > 0)) return CDUL_OK;
    l->average = calloc(l->net->entry_count, sizeof(cdul_tensor *));
    if (!l->average) return cdul_fail_memory(err, "the weights' average");
    cdul_scope s = {.no_grad = true};
    for (size_t i = 0; i < l->net->entry_count; i++) {
        const cdul_resnet_entry *entry = &l->net->entries[i];
        bool statistic = entry->kind == CDUL_BN_MEAN || entry->kind == CDUL_BN_VAR;
        if (entry->trained || (statistic && p->bn == CDUL_BN_TRAIN && entry->stage > p->freeze))
            l->average[i] = cdul_tensor_keep(&s, cdul_tensor_affine(&s, entry->tensor, 1, 0));
    }
    return cdul_scope_close(&s, err);
}

/* --- Life --- */

cdul_status cdul_learner_open(cdul_learner *l, const cdul_train_params *params,
                              const cdul_safetensors *weights, const cdul_labels *labels,
                              cdul_error *err) {
    l->params = params;
    cdul_status status = open_network(l, weights, labels, err);
    if (status == CDUL_OK) status = open_optimizer(l, err);
    if (status == CDUL_OK) status = open_average(l, err);
    return status;
}

void cdul_learner_free(cdul_learner *l) {
    cdul_optimizer_free(l->optimizer);
    for (size_t i = 0; l->average && i < l->net->entry_count; i++) cdul_tensor_free(l->average[i]);
    free(l->average);
    cdul_resnet_free(l->net);
    *l = (cdul_learner){0};
}

/* --- Steps --- */

#define PI         3.14159265358979323846
#define STEP_DECAY 0.1 /* at each third, as torchvision's and most ImageNet recipes decay */

double cdul_schedule_factor(const cdul_schedule *schedule, size_t step) {
    if (step < schedule->warmup) return (double)(step + 1) / (double)(schedule->warmup + 1);
    size_t left = schedule->steps > schedule->warmup ? schedule->steps - schedule->warmup : 1;
    double t = fmin((double)(step - schedule->warmup) / (double)left, 1); /* 0 .. below 1 */
    if (schedule->kind == CDUL_SCHEDULE_COSINE) return (1 + cos(PI * t)) / 2;
    if (schedule->kind == CDUL_SCHEDULE_STEP) return pow(STEP_DECAY, floor(fmin(3 * t, 2)));
    return 1;
}

void cdul_learner_plan(cdul_learner *l, size_t images) {
    const cdul_train_params *p = l->params;
    size_t per_epoch = (images + p->batch - 1) / p->batch;
    l->schedule = (cdul_schedule){p->schedule, per_epoch * p->epochs,
                                  (size_t)llround(p->lr_warmup * (double)per_epoch)};
}

/* average <- average + (1 - decay) (weights - average), with a decay that starts low, so that the
 * random head of the first steps is soon forgotten (as in tf.train.ExponentialMovingAverage). */
static void update_average(cdul_scope *s, cdul_learner *l) {
    if (!l->average) return;
    double steps = (double)l->step, decay = fmin(l->params->ema, (1 + steps) / (10 + steps));
    for (size_t i = 0; i < l->net->entry_count; i++)
        if (l->average[i])
            cdul_tensor_lerp_(s, l->average[i], l->net->entries[i].tensor, 1 - decay);
}

void cdul_learner_step(cdul_scope *s, cdul_learner *l) {
    double factor = cdul_schedule_factor(&l->schedule, l->step);
    for (size_t group = 0; group < l->groups; group++)
        cdul_optimizer_set_lr(s, l->optimizer, group, l->base_lr[group] * factor);
    cdul_optimizer_step(s, l->optimizer);
    l->step++;
    update_average(s, l);
}

void cdul_learner_swap_average(cdul_learner *l) {
    for (size_t i = 0; l->average && i < l->net->entry_count; i++)
        if (l->average[i]) cdul_tensor_swap(l->average[i], l->net->entries[i].tensor);
}

/* --- Numbers that are not finite --- */

const char *cdul_learner_bad(const cdul_learner *l, bool gradients) {
    for (size_t i = 0; i < l->net->entry_count; i++) {
        const cdul_resnet_entry *e = &l->net->entries[i];
        if (gradients && !e->trained) continue;
        double low = 0, high = 0;
        cdul_scope s = {.no_grad = true};
        const cdul_tensor *x = gradients ? cdul_tensor_grad(&s, e->tensor) : e->tensor;
        cdul_tensor_range(&s, x, &low, &high);
        bool bad = !isfinite(low) || !isfinite(high);
        if (cdul_scope_close(&s, NULL) == CDUL_OK && bad) return e->name;
    }
    return NULL;
}
