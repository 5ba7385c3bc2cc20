/* Execution providers built into ONNX Runtime: finds one by its name, reads its options, and
 * appends it to a session's options. */
#include "onnx/provider.h"

#include "base/machine.h"

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

/* The long names of those that this ONNX Runtime was built with. */
static cdul_status list_names(cdul_strings *out, cdul_error *err) {
    const OrtApi *api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    char **names = NULL;
    int count = 0;
    cdul_status status = CDUL_OK;
    if (api) cdul_ort_drop(api, api->GetAvailableProviders(&names, &count));
    for (int i = 0; status == CDUL_OK && i < count; i++)
        status = cdul_strings_add(out, names[i], err);
    if (names) cdul_ort_drop(api, api->ReleaseAvailableProviders(names, count));
    return status;
}

static void join_short(const cdul_strings *names, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < names->count && used < size; i++) {
        char name[64];
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "",
                                 cdul_provider_short(names->items[i], name, sizeof name));
    }
}

cdul_status cdul_provider_list(char *text, size_t size, cdul_error *err) {
    cdul_strings names = {0};
    cdul_status status = list_names(&names, err);
    if (status == CDUL_OK) join_short(&names, text, size);
    cdul_strings_free(&names);
    return status;
}

/* Writes into `name` the long name of the built-in provider that the user asks for. */
static cdul_status find_provider(const cdul_ort *ort, const char *wanted, size_t length, char *name,
                                 size_t size, cdul_error *err) {
    cdul_strings names = {0};
    cdul_status status = list_names(&names, err);
    name[0] = '\0';
    for (size_t i = 0; status == CDUL_OK && i < names.count; i++) {
        char text[64];
        cdul_provider_short(names.items[i], text, sizeof text);
        if (strlen(text) == length && strncasecmp(text, wanted, length) == 0)
            snprintf(name, size, "%s", names.items[i]);
    }
    if (status == CDUL_OK && !name[0]) {
        char available[CDUL_PROVIDER_LIST];
        join_short(&names, available, sizeof available);
        status = cdul_fail(err, CDUL_ERR_USAGE,
                           "%s: provider '%.*s' is not in this ONNX Runtime (%s), which was built "
                           "with %s; name one of them, give a plug-in that brings it with "
                           "--provider-library, or build cdul with another ONNX Runtime",
                           ort->path, (int)length, wanted, cdul_ort_version(), available);
    }
    cdul_strings_free(&names);
    return status;
}

/* --- Options of a provider --- */

cdul_status cdul_provider_pairs_read(const cdul_strings *options, cdul_provider_pairs *out,
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

void cdul_provider_pairs_free(cdul_provider_pairs *pairs) {
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

/* CUDA or TensorRT, whose options are structs of their own. */
static cdul_status append_nvidia(const cdul_ort *ort, OrtSessionOptions *options, bool cuda,
                                 const cdul_provider_pairs *pairs, cdul_error *err) {
    const OrtApi *api = ort->api;
    OrtCUDAProviderOptionsV2 *c = NULL;
    OrtTensorRTProviderOptionsV2 *t = NULL;
    const char *name = cuda ? "CUDA" : "TensorRT",
               *doing = cuda ? "CUDA options" : "TensorRT options";
    cdul_status status = cdul_ort_check(
        ort, cuda ? api->CreateCUDAProviderOptions(&c) : api->CreateTensorRTProviderOptions(&t),
        name, err);
    if (status == CDUL_OK)
        status = cdul_ort_check_as(
            ort,
            cuda ? api->UpdateCUDAProviderOptions(c, pairs->keys, pairs->values, pairs->count)
                 : api->UpdateTensorRTProviderOptions(t, pairs->keys, pairs->values, pairs->count),
            CDUL_ERR_USAGE, doing, err);
    if (status == CDUL_OK)
        status = cdul_ort_check(
            ort,
            cuda ? api->SessionOptionsAppendExecutionProvider_CUDA_V2(options, c)
                 : api->SessionOptionsAppendExecutionProvider_TensorRT_V2(options, t),
            name, err);
    if (c) api->ReleaseCUDAProviderOptions(c);
    if (t) api->ReleaseTensorRTProviderOptions(t);
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

cdul_status cdul_provider_refuse_bfloat16(const cdul_ort *ort, cdul_error *err) {
    return cdul_fail(err, CDUL_ERR_USAGE,
                     "%s: bfloat16 is for --provider openvino on a processor that has it, and %s; "
                     "leave --precision bf16 out",
                     ort->path,
                     cdul_processor_has_bfloat16() ? "another provider is chosen"
                                                   : "this one has not");
}

cdul_status cdul_provider_append(const cdul_ort *ort, OrtSessionOptions *options,
                                 const char *wanted, cdul_provider_pairs *pairs, char *said,
                                 cdul_error *err) {
    size_t length = strcspn(wanted, ":");
    const char *device = wanted[length] ? wanted + length + 1 : NULL;
    char name[64];
    cdul_status status = find_provider(ort, wanted, length, name, sizeof name, err);
    if (status != CDUL_OK) return status;
    bool cpu = strcmp(name, "CPUExecutionProvider") == 0,
         cuda = strcmp(name, "CUDAExecutionProvider") == 0;
    bool tensorrt = strcmp(name, "TensorrtExecutionProvider") == 0;
    if (cpu && pairs->count > 0)
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: provider cpu takes no options, such as %s",
                         ort->path, pairs->keys[0]);
    if (device && !cuda && !tensorrt)
        return cdul_fail(
            err, CDUL_ERR_USAGE,
            "%s: provider '%s': of the built-in ones only cuda and tensorrt take a device number",
            ort->path, wanted);
    if (device && cdul_provider_pairs_get(pairs, "device_id"))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: provider '%s': the option device_id says it again", ort->path,
                         wanted);
    if (cpu) return CDUL_OK; /* always there */
    cdul_provider_short(name, said, CDUL_PROVIDER_NAME);
    if (device) cdul_provider_pairs_default(pairs, "device_id", device);
    if (cuda || tensorrt) return append_nvidia(ort, options, cuda, pairs, err);
    return cdul_ort_check(ort,
                          ort->api->SessionOptionsAppendExecutionProvider(
                              options, name, pairs->keys, pairs->values, pairs->count),
                          said, err);
}
