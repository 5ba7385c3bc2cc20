#include "onnx/session_internal.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char provider_suffix[] = "ExecutionProvider";

/* Length of a provider's short name: "CUDAExecutionProvider" -> 4. */
static size_t short_length(const char *name) {
    size_t length = strlen(name), suffix = sizeof provider_suffix - 1;
    return length > suffix && strcmp(name + length - suffix, provider_suffix) == 0 ? length - suffix : length;
}

char *cdul_session_providers(void) {
    const OrtApi *api = cdul_session_api();
    char **names = NULL;
    int count = 0;
    OrtStatus *status = api ? api->GetAvailableProviders(&names, &count) : NULL;
    if (status) api->ReleaseStatus(status);
    size_t size = 1;
    for (int i = 0; i < count; i++) size += strlen(names[i]) + 2;
    char *text = calloc(size, 1);
    for (int i = 0; text && i < count; i++)
        snprintf(text + strlen(text), size - strlen(text), "%s%.*s", i ? ", " : "",
                 (int)short_length(names[i]), names[i]);
    if (names) {
        status = api->ReleaseAvailableProviders(names, count);
        if (status) api->ReleaseStatus(status);
    }
    return text;
}

/* Writes the library's own spelling of the provider the user named into `name`. */
static cdul_status find_provider(const cdul_session *s, const char *wanted, size_t length, char *name,
                                 size_t size, cdul_error *err) {
    char *available = cdul_session_providers();
    if (!available) return cdul_fail_memory(err, "list of providers");
    cdul_status status = CDUL_OK;
    const char *at = available;
    for (;;) {
        size_t n = strcspn(at, ",");
        if (n == length && strncasecmp(at, wanted, n) == 0) {
            snprintf(name, size, "%.*s", (int)n, at);
            break;
        }
        at += n;
        if (!*at) {
            status = cdul_fail(err, CDUL_ERR_USAGE,
                               "%s: provider '%.*s' is not in this ONNX Runtime (%s); it has: %s", s->path,
                               (int)length, wanted, cdul_session_runtime_version(), available);
            break;
        }
        at += 2; /* ", " */
    }
    free(available);
    return status;
}

static cdul_status append_cuda(const cdul_session *s, OrtSessionOptions *options, const char *device,
                               cdul_error *err) {
    OrtCUDAProviderOptionsV2 *cuda = NULL;
    cdul_status status =
        cdul_session_check(s, s->api->CreateCUDAProviderOptions(&cuda), CDUL_ERR_RUNTIME, "CUDA", err);
    const char *key = "device_id";
    if (status == CDUL_OK)
        status = cdul_session_check(s, s->api->UpdateCUDAProviderOptions(cuda, &key, &device, 1),
                                    CDUL_ERR_USAGE, "CUDA device", err);
    if (status == CDUL_OK)
        status = cdul_session_check(s, s->api->SessionOptionsAppendExecutionProvider_CUDA_V2(options, cuda),
                                    CDUL_ERR_RUNTIME, "CUDA", err);
    if (cuda) s->api->ReleaseCUDAProviderOptions(cuda);
    return status;
}

static cdul_status append_provider(const cdul_session *s, OrtSessionOptions *options, const char *provider,
                                   cdul_error *err) {
    size_t length = strcspn(provider, ":");
    const char *device = provider[length] ? provider + length + 1 : "0";
    char name[64];
    cdul_status status = find_provider(s, provider, length, name, sizeof name, err);
    if (status != CDUL_OK) return status;
    if (strcmp(name, "CUDA") == 0) return append_cuda(s, options, device, err);
    if (provider[length])
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: provider '%s': only cuda takes a device number", s->path,
                         provider);
    if (strcmp(name, "CPU") == 0) return CDUL_OK; /* always there */
    return cdul_session_check(s, s->api->SessionOptionsAppendExecutionProvider(options, name, NULL, NULL, 0),
                              CDUL_ERR_RUNTIME, name, err);
}

static int processors(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

cdul_status cdul_session_prepare(const cdul_session *s, const cdul_session_options *from,
                                 OrtSessionOptions **out, cdul_error *err) {
    const OrtApi *api = s->api;
    cdul_status status =
        cdul_session_check(s, api->CreateSessionOptions(out), CDUL_ERR_RUNTIME, "session options", err);
    if (status != CDUL_OK) return status;
    int threads = from->threads > 0 && from->threads < 4096 ? (int)from->threads : processors();
    OrtStatus *steps[] = {
        api->SetIntraOpNumThreads(*out, threads),
        api->SetInterOpNumThreads(*out, 1),
        api->SetSessionExecutionMode(*out, ORT_SEQUENTIAL),
        api->SetSessionGraphOptimizationLevel(*out, from->optimise ? ORT_ENABLE_ALL : ORT_DISABLE_ALL),
        api->AddSessionConfigEntry(*out, "session.intra_op.allow_spinning", from->spin ? "1" : "0"),
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (status == CDUL_OK)
            status = cdul_session_check(s, steps[i], CDUL_ERR_RUNTIME, "session options", err);
        else if (steps[i])
            api->ReleaseStatus(steps[i]);
    }
    return status == CDUL_OK ? append_provider(s, *out, from->provider, err) : status;
}
