/* Execution providers: found by name, given their options, asked what they took. */
#include "base/machine.h"
#include "onnx/session_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- Names --- */

const char *cdul_provider_short(const char *name, char *text, size_t size) {
    static const char long_part[] = "ExecutionProvider";
    const char *at = strstr(name, long_part);
    if (at)
        snprintf(text, size, "%.*s%s", (int)(at - name), name, at + sizeof long_part - 1);
    else
        snprintf(text, size, "%s", name);
    return text;
}

typedef struct provider_list {
    const OrtApi *api;
    char **names; /* ONNX Runtime's, in full */
    int count;
} provider_list;

static provider_list list_providers(void) {
    provider_list list = {.api = OrtGetApiBase()->GetApi(ORT_API_VERSION)};
    OrtStatus *status = list.api ? list.api->GetAvailableProviders(&list.names, &list.count) : NULL;
    if (status) list.api->ReleaseStatus(status);
    return list;
}

static void release_list(provider_list *list) {
    OrtStatus *status =
        list->names ? list->api->ReleaseAvailableProviders(list->names, list->count) : NULL;
    if (status) list->api->ReleaseStatus(status);
}

char *cdul_session_providers(void) {
    provider_list list = list_providers();
    size_t size = 1;
    for (int i = 0; i < list.count; i++) size += strlen(list.names[i]) + 2;
    char *text = calloc(size, 1);
    for (int i = 0; text && i < list.count; i++) {
        char name[64];
        snprintf(text + strlen(text), size - strlen(text), "%s%s", i ? ", " : "",
                 cdul_provider_short(list.names[i], name, sizeof name));
    }
    release_list(&list);
    return text;
}

/* Writes ONNX Runtime's own, full name of the built-in provider that the user named into `name`. */
static cdul_status find_provider(const cdul_session *s, const char *wanted, size_t length,
                                 char *name, size_t size, cdul_error *err) {
    provider_list list = list_providers();
    name[0] = '\0';
    for (int i = 0; i < list.count; i++) {
        char text[64];
        cdul_provider_short(list.names[i], text, sizeof text);
        if (strlen(text) == length && strncasecmp(text, wanted, length) == 0)
            snprintf(name, size, "%s", list.names[i]);
    }
    release_list(&list);
    if (name[0]) return CDUL_OK;
    char *available = cdul_session_providers();
    cdul_fail(err, CDUL_ERR_USAGE,
              "%s: provider '%.*s' is not in this ONNX Runtime (%s), which was built with %s; name "
              "one of "
              "them, give a plug-in that brings it with --provider-library, or build cdul with "
              "another ONNX "
              "Runtime",
              s->path, (int)length, wanted, cdul_session_runtime_version(),
              available ? available : "?");
    free(available);
    return CDUL_ERR_USAGE;
}

/* --- Options of a provider --- */

static cdul_status read_pairs(const cdul_strings *options, cdul_provider_pairs *out,
                              cdul_error *err) {
    *out = (cdul_provider_pairs){0};
    out->keys = calloc(options->count + 1, sizeof *out->keys);
    out->values = calloc(options->count + 1, sizeof *out->values);
    if (!out->keys || !out->values) return cdul_fail_memory(err, "options of the provider");
    cdul_status status = cdul_strings_copy(options, &out->text, err);
    for (size_t i = 0; status == CDUL_OK && i < out->text.count; i++) {
        char *text = out->text.items[i], *equals = strchr(text, '=');
        if (!equals || equals == text || !equals[1])
            return cdul_fail(err, CDUL_ERR_USAGE, "provider option '%s': expected KEY=VALUE", text);
        *equals = '\0';
        if (cdul_provider_pairs_get(out, text))
            return cdul_fail(err, CDUL_ERR_USAGE, "provider option %s is given twice", text);
        out->keys[out->count] = text;
        out->values[out->count++] = equals + 1;
    }
    return status;
}

static void free_pairs(cdul_provider_pairs *pairs) {
    free(pairs->keys);
    free(pairs->values);
    cdul_strings_free(&pairs->text);
}

const char *cdul_provider_pairs_get(const cdul_provider_pairs *pairs, const char *key) {
    for (size_t i = 0; i < pairs->count; i++)
        if (strcmp(pairs->keys[i], key) == 0) return pairs->values[i];
    return NULL;
}

void cdul_provider_pairs_default(cdul_provider_pairs *pairs, const char *key, const char *value) {
    if (cdul_provider_pairs_get(pairs, key)) return;
    pairs->keys[pairs->count] = key;
    pairs->values[pairs->count++] = value;
}

/* --- Built-in providers --- */

static cdul_status append_cuda(const cdul_session *s, OrtSessionOptions *options,
                               const cdul_provider_pairs *pairs, cdul_error *err) {
    OrtCUDAProviderOptionsV2 *cuda = NULL;
    cdul_status status = cdul_session_check(s, s->api->CreateCUDAProviderOptions(&cuda),
                                            CDUL_ERR_RUNTIME, "CUDA", err);
    if (status == CDUL_OK)
        status = cdul_session_check(
            s, s->api->UpdateCUDAProviderOptions(cuda, pairs->keys, pairs->values, pairs->count),
            CDUL_ERR_USAGE, "CUDA options", err);
    if (status == CDUL_OK)
        status = cdul_session_check(
            s, s->api->SessionOptionsAppendExecutionProvider_CUDA_V2(options, cuda),
            CDUL_ERR_RUNTIME, "CUDA", err);
    if (cuda) s->api->ReleaseCUDAProviderOptions(cuda);
    return status;
}

static cdul_status append_tensorrt(const cdul_session *s, OrtSessionOptions *options,
                                   const cdul_provider_pairs *pairs, cdul_error *err) {
    OrtTensorRTProviderOptionsV2 *trt = NULL;
    cdul_status status = cdul_session_check(s, s->api->CreateTensorRTProviderOptions(&trt),
                                            CDUL_ERR_RUNTIME, "TensorRT", err);
    if (status == CDUL_OK)
        status = cdul_session_check(
            s, s->api->UpdateTensorRTProviderOptions(trt, pairs->keys, pairs->values, pairs->count),
            CDUL_ERR_USAGE, "TensorRT options", err);
    if (status == CDUL_OK)
        status = cdul_session_check(
            s, s->api->SessionOptionsAppendExecutionProvider_TensorRT_V2(options, trt),
            CDUL_ERR_RUNTIME, "TensorRT", err);
    if (trt) s->api->ReleaseTensorRTProviderOptions(trt);
    return status;
}

bool cdul_provider_is_cpu(const cdul_provider *provider) {
    return !provider->name || strcasecmp(provider->name, "cpu") == 0;
}

cdul_inference cdul_provider_reduced(const cdul_provider *provider) {
    static const char openvino[] = "openvino";
    if (provider->name && strncasecmp(provider->name, openvino, strlen(openvino)) == 0)
        return cdul_processor_has_bfloat16() && provider->options.count == 0 ? CDUL_INFERENCE_BF16
                                                                             : CDUL_INFERENCE_FP32;
    return cdul_provider_is_cpu(provider) ? CDUL_INFERENCE_INT8 : CDUL_INFERENCE_FP32;
}

static cdul_status append_builtin(cdul_session *s, OrtSessionOptions *options, const char *wanted,
                                  cdul_provider_pairs *pairs, cdul_error *err) {
    size_t length = strcspn(wanted, ":");
    const char *device = wanted[length] ? wanted + length + 1 : NULL;
    char name[64];
    cdul_status status = find_provider(s, wanted, length, name, sizeof name, err);
    if (status != CDUL_OK) return status;
    bool cpu = strcmp(name, "CPUExecutionProvider") == 0,
         cuda = strcmp(name, "CUDAExecutionProvider") == 0;
    bool tensorrt = strcmp(name, "TensorrtExecutionProvider") == 0;
    if (cpu && pairs->count > 0)
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: provider cpu takes no options, such as %s",
                         s->path, pairs->keys[0]);
    if (device && !cuda && !tensorrt)
        return cdul_fail(
            err, CDUL_ERR_USAGE,
            "%s: provider '%s': of the built-in ones only cuda and tensorrt take a device "
            "number",
            s->path, wanted);
    if (device && cdul_provider_pairs_get(pairs, "device_id"))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: provider '%s': the option device_id says it again", s->path, wanted);
    if (cpu) return CDUL_OK; /* always there */
    cdul_provider_short(name, s->provider, sizeof s->provider);
    if (device) cdul_provider_pairs_default(pairs, "device_id", device);
    if (cuda) return append_cuda(s, options, pairs, err);
    if (tensorrt) return append_tensorrt(s, options, pairs, err);
    return cdul_session_check(s,
                              s->api->SessionOptionsAppendExecutionProvider(
                                  options, name, pairs->keys, pairs->values, pairs->count),
                              CDUL_ERR_RUNTIME, s->provider, err);
}

cdul_status cdul_provider_refuse_bfloat16(const cdul_session *s, cdul_error *err) {
    return cdul_fail(
        err, CDUL_ERR_USAGE,
        "%s: bfloat16 is for --provider openvino on a processor that has it, and %s; leave "
        "--precision bf16 out",
        s->path, cdul_processor_has_bfloat16() ? "another provider is chosen" : "this one has not");
}

static cdul_status append_provider(cdul_session *s, OrtSessionOptions *options,
                                   const cdul_provider *from, int threads, cdul_error *err) {
    cdul_provider_pairs pairs;
    cdul_status status = read_pairs(&from->options, &pairs, err);
    if (status == CDUL_OK && from->bfloat16 && !from->library)
        status = cdul_provider_refuse_bfloat16(s, err);
    if (status == CDUL_OK)
        status = from->library
                     ? cdul_plugin_append(s, options, from, &pairs, threads, err)
                     : append_builtin(s, options, from->name ? from->name : "cpu", &pairs, err);
    free_pairs(&pairs);
    if (status != CDUL_OK || !s->provider[0]) return status;
    return cdul_session_check(
        s, s->api->AddSessionConfigEntry(options, "session.record_ep_graph_assignment_info", "1"),
        CDUL_ERR_RUNTIME, "session options", err);
}

cdul_status cdul_session_prepare(cdul_session *s, const cdul_session_options *from,
                                 OrtSessionOptions **out, cdul_error *err) {
    const OrtApi *api = s->api;
    cdul_status status = cdul_session_check(s, api->CreateSessionOptions(out), CDUL_ERR_RUNTIME,
                                            "session options", err);
    if (status != CDUL_OK) return status;
    const bool given = from->threads > 0 && from->threads < 4096;
    const int threads = (int)(given ? from->threads : cdul_processors());
    OrtStatus *steps[] = {
        api->SetIntraOpNumThreads(*out, threads),
        api->SetInterOpNumThreads(*out, 1),
        api->SetSessionExecutionMode(*out, ORT_SEQUENTIAL),
        api->SetSessionGraphOptimizationLevel(*out,
                                              from->unoptimised ? ORT_DISABLE_ALL : ORT_ENABLE_ALL),
        api->AddSessionConfigEntry(*out, "session.disable_prepacking",
                                   from->unoptimised ? "1" : "0"),
        /* idle threads would take the cores of those that decode */
        api->AddSessionConfigEntry(*out, "session.intra_op.allow_spinning", "0"),
        /* With this step release 1.32 crashes on transformers that compute in float16. Graphs
         * without float16 do not know it. */
        api->AddSessionConfigEntry(*out, "optimization.disable_specified_optimizers",
                                   "FuseFp16InitializerToFp32NodeTransformer"),
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (status == CDUL_OK)
            status = cdul_session_check(s, steps[i], CDUL_ERR_RUNTIME, "session options", err);
        else if (steps[i])
            api->ReleaseStatus(steps[i]);
    }
    return status == CDUL_OK ? append_provider(s, *out, &from->provider, threads, err) : status;
}

/* --- Who runs what --- */

cdul_status cdul_session_place(cdul_session *s, cdul_error *err) {
    const OrtEpAssignedSubgraph *const *parts = NULL;
    size_t n_parts = 0, own = 0, all = 0;
    snprintf(s->placement, sizeof s->placement, "CPU");
    if (!s->provider[0]) return CDUL_OK;
    cdul_status status = cdul_session_check(
        s, s->api->Session_GetEpGraphAssignmentInfo(s->session, &parts, &n_parts), CDUL_ERR_RUNTIME,
        "nodes", err);
    for (size_t i = 0; status == CDUL_OK && i < n_parts; i++) {
        const OrtEpAssignedNode *const *nodes = NULL;
        const char *name = NULL;
        size_t count = 0;
        status = cdul_session_check(s, s->api->EpAssignedSubgraph_GetEpName(parts[i], &name),
                                    CDUL_ERR_RUNTIME, "nodes", err);
        if (status == CDUL_OK)
            status =
                cdul_session_check(s, s->api->EpAssignedSubgraph_GetNodes(parts[i], &nodes, &count),
                                   CDUL_ERR_RUNTIME, "nodes", err);
        if (status == CDUL_OK && strcmp(name, "CPUExecutionProvider") != 0) own += count;
        all += count;
    }
    if (status != CDUL_OK) return status;
    if (own == 0)
        return cdul_fail(
            err, CDUL_ERR_RUNTIME,
            "%s: %s can run none of the graph's %zu operations; run it with provider cpu", s->path,
            s->provider, all);
    if (own == all)
        snprintf(s->placement, sizeof s->placement, "%s: all %zu nodes", s->provider, all);
    else
        snprintf(s->placement, sizeof s->placement, "%s: %zu of %zu nodes, %zu on the CPU provider",
                 s->provider, own, all, all - own);
    return CDUL_OK;
}
