/* Execution providers: finds the one that the user names, built into ONNX Runtime or brought by a
 * plug-in library, reads its options, and appends it to a session's options. */
#include "base/machine.h"
#include "cdul/versions.h"
#include "onnx/session_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LIST_BYTES 400 /* of a list of providers for messages; what does not fit is cut */

/* Writes ONNX Runtime's name without "ExecutionProvider". */
static void shorten(const char *full, char short_name[CDUL_PROVIDER_NAME]) {
    static const char left_out[] = "ExecutionProvider";
    const char *at = strstr(full, left_out);
    const size_t length = at ? (size_t)(at - full) : strlen(full);
    snprintf(short_name, CDUL_PROVIDER_NAME, "%.*s%s", (int)length, full,
             at ? at + strlen(left_out) : "");
}

/* --- Options of a provider --- */

/* As ONNX Runtime takes them. */
typedef struct provider_pairs {
    const char **keys, **values; /* [count], with room for one more: both point into `text` */
    size_t count;
    cdul_strings text;
} provider_pairs;

/* NULL if the user did not give the key. */
static const char *find_pair(const provider_pairs *all, const char *key) {
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->keys[i], key) == 0) return all->values[i];
    return NULL;
}

static cdul_status read_pairs(const cdul_strings *options, provider_pairs *out, cdul_error *err) {
    out->keys = calloc(options->count + 1, sizeof *out->keys);
    out->values = calloc(options->count + 1, sizeof *out->values);
    if (!out->keys || !out->values) return cdul_fail_memory(err, "options of the provider");
    cdul_status status = cdul_strings_copy(options, &out->text, err);
    for (size_t i = 0; status == CDUL_OK && i < out->text.count; i++) {
        char *text = out->text.items[i], *equals = strchr(text, '=');
        if (!equals || equals == text || !equals[1])
            return cdul_fail(err, CDUL_ERR_USAGE, "provider option '%s': expected KEY=VALUE", text);
        *equals = '\0';
        if (find_pair(out, text))
            return cdul_fail(err, CDUL_ERR_USAGE, "provider option %s is given twice", text);
        out->keys[out->count] = text;
        out->values[out->count++] = equals + 1;
    }
    return status;
}

/* Adds a pair unless the user gave the key; there is room for one. */
static void add_default(provider_pairs *all, const char *key, const char *value) {
    if (find_pair(all, key)) return;
    all->keys[all->count] = key;
    all->values[all->count++] = value;
}

static cdul_status refuse_bfloat16(const cdul_ort *ort, cdul_error *err) {
    return cdul_fail(err, CDUL_ERR_USAGE,
                     "%s: bfloat16 is for --provider openvino on a processor that has it, and %s; "
                     "leave --precision bf16 out",
                     ort->path,
                     cdul_processor_has_bfloat16() ? "another provider is chosen"
                                                   : "this one has not");
}

/* --- Built-in providers --- */

/* Lists what this ONNX Runtime was built with, "Tensorrt, CUDA, CPU". Returns the long name of the
 * provider in "name" or "name:number", which stays ONNX Runtime's in `names`; NULL: there is none.
 */
static const char *find_built_in(char **names, int count, const char *wanted,
                                 char list[LIST_BYTES]) {
    const char *found = NULL;
    size_t used = 0, length = strcspn(wanted, ":");
    list[0] = '\0';
    for (int i = 0; i < count; i++) {
        char name[CDUL_PROVIDER_NAME];
        shorten(names[i], name);
        if (strlen(name) == length && strncasecmp(name, wanted, length) == 0) found = names[i];
        if (used < LIST_BYTES)
            used += (size_t)snprintf(list + used, LIST_BYTES - used, "%s%s", i ? ", " : "", name);
    }
    return found;
}

/* CUDA or TensorRT, whose options are structs of their own. */
static cdul_status append_nvidia(const cdul_ort *ort, OrtSessionOptions *options, bool cuda,
                                 const provider_pairs *pairs, cdul_error *err) {
    const OrtApi *api = ort->api;
    OrtCUDAProviderOptionsV2 *c = NULL;
    OrtTensorRTProviderOptionsV2 *t = NULL;
    const char *name = cuda ? "CUDA" : "TensorRT";
    cdul_status status = cdul_ort_check(
        ort, cuda ? api->CreateCUDAProviderOptions(&c) : api->CreateTensorRTProviderOptions(&t),
        name, err);
    if (status == CDUL_OK)
        status = cdul_ort_check_as(
            ort,
            cuda ? api->UpdateCUDAProviderOptions(c, pairs->keys, pairs->values, pairs->count)
                 : api->UpdateTensorRTProviderOptions(t, pairs->keys, pairs->values, pairs->count),
            CDUL_ERR_USAGE, cuda ? "CUDA options" : "TensorRT options", err);
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

static cdul_status append_found(cdul_session *s, OrtSessionOptions *options, const char *wanted,
                                const char *name, provider_pairs *pairs, cdul_error *err) {
    const char *device = strchr(wanted, ':');
    const bool cuda = strcmp(name, "CUDAExecutionProvider") == 0;
    const bool nvidia = cuda || strcmp(name, "TensorrtExecutionProvider") == 0;
    const bool cpu = strcmp(name, "CPUExecutionProvider") == 0;
    if (cpu && pairs->count > 0)
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: provider cpu takes no options, such as %s",
                         s->ort.path, pairs->keys[0]);
    if (device && !nvidia)
        return cdul_fail(
            err, CDUL_ERR_USAGE,
            "%s: provider '%s': of the built-in ones only cuda and tensorrt take a device number",
            s->ort.path, wanted);
    if (device && find_pair(pairs, "device_id"))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: provider '%s': the option device_id says it again", s->ort.path,
                         wanted);
    if (cpu) return CDUL_OK; /* always there */
    shorten(name, s->provider);
    if (device) add_default(pairs, "device_id", device + 1);
    if (nvidia) return append_nvidia(&s->ort, options, cuda, pairs, err);
    return cdul_ort_check(&s->ort,
                          s->ort.api->SessionOptionsAppendExecutionProvider(
                              options, name, pairs->keys, pairs->values, pairs->count),
                          s->provider, err);
}

static cdul_status append_built_in(cdul_session *s, OrtSessionOptions *options, const char *wanted,
                                   provider_pairs *pairs, cdul_error *err) {
    const OrtApi *api = s->ort.api;
    char **names = NULL, list[LIST_BYTES];
    int count = 0;
    cdul_status status =
        cdul_ort_check(&s->ort, api->GetAvailableProviders(&names, &count), "providers", err);
    if (status != CDUL_OK) return status;
    const char *name = find_built_in(names, count, wanted, list);
    status =
        name ? append_found(s, options, wanted, name, pairs, err)
             : cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: provider '%.*s' is not in this ONNX Runtime (%s), which was "
                         "built with %s; name one of them, give a plug-in that brings it with "
                         "--provider-library, or build cdul with another ONNX Runtime",
                         s->ort.path, (int)strcspn(wanted, ":"), wanted, cdul_ort_version(), list);
    cdul_ort_drop(api, api->ReleaseAvailableProviders(names, count));
    return status;
}

void cdul_session_versions(FILE *out) {
    const OrtApi *api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    char **names = NULL, list[LIST_BYTES];
    int count = 0;
    if (api) cdul_ort_drop(api, api->GetAvailableProviders(&names, &count));
    find_built_in(names, count, "", list);
    fprintf(out, "onnxruntime %s\nproviders %s\n", cdul_ort_version(), list);
    if (names) cdul_ort_drop(api, api->ReleaseAvailableProviders(names, count));
}

/* --- Plug-ins --- */

/* What a library brings. */
typedef struct plugin_devices {
    /* Links are resolved: a library registered under two paths would be loaded twice. */
    char library[PATH_MAX];
    char list[LIST_BYTES]; /* "OpenVINO:0 (CPU), OpenVINO:1 (GPU)"; "": nothing */
    const OrtEpDevice *chosen; /* NULL: none that is wanted */
} plugin_devices;

static const char *device_kind(const OrtApi *api, const OrtEpDevice *device) {
    static const char *const kinds[] = {"CPU", "GPU", "NPU"};
    unsigned kind = (unsigned)api->HardwareDevice_Type(api->EpDevice_Device(device));
    return kind < sizeof kinds / sizeof *kinds ? kinds[kind] : "?";
}

/* Lists the library's devices, and chooses the one in "name" or "name:number". */
static cdul_status find_devices(const cdul_ort *ort, const char *wanted, plugin_devices *out,
                                cdul_error *err) {
    const OrtApi *api = ort->api;
    const OrtEpDevice *const *all = NULL;
    const char *provider = "";
    size_t n = 0, number = 0, used = 0;
    cdul_status status = cdul_ort_check(ort, api->GetEpDevices(ort->env, &all, &n), "devices", err);
    for (size_t i = 0; status == CDUL_OK && i < n; i++) {
        char name[CDUL_PROVIDER_NAME], numbered[CDUL_PROVIDER_NAME + 24];
        /* Each device's metadata say which library brought it. */
        const char *from = api->GetKeyValue(api->EpDevice_EpMetadata(all[i]), "library_path");
        if (!from || strcmp(from, out->library) != 0) continue;
        /* A library may bring several providers, each with its devices in a row. */
        number = strcmp(provider, api->EpDevice_EpName(all[i])) == 0 ? number + 1 : 0;
        provider = api->EpDevice_EpName(all[i]);
        shorten(provider, name);
        snprintf(numbered, sizeof numbered, "%s:%zu", name, number);
        const char *kind = device_kind(api, all[i]);
        if (used < LIST_BYTES)
            used += (size_t)snprintf(out->list + used, LIST_BYTES - used, "%s%s (%s)",
                                     used ? ", " : "", numbered, kind);
        if (strcasecmp(wanted, strchr(wanted, ':') ? numbered : name) != 0) continue;
        /* Without a number the first that is a CPU, or else the first. */
        if (!out->chosen ||
            (strcmp(kind, "CPU") == 0 && strcmp(device_kind(api, out->chosen), "CPU") != 0))
            out->chosen = all[i];
    }
    return status;
}

/* Another session of the process may have registered the library before, or may do so meanwhile. */
static cdul_status load(const cdul_ort *ort, const char *library, const char *wanted,
                        plugin_devices *out, cdul_error *err) {
    if (!realpath(library, out->library))
        return cdul_fail_errno(err, "%s: the provider's library cannot be loaded", library);
    cdul_status status = find_devices(ort, wanted, out, err);
    if (status != CDUL_OK || out->list[0]) return status;
    OrtStatus *registered =
        ort->api->RegisterExecutionProviderLibrary(ort->env, out->library, out->library);
    status = find_devices(ort, wanted, out, err);
    if (status == CDUL_OK && !out->list[0] && registered) {
        const char *message = ort->api->GetErrorMessage(registered);
        status = cdul_fail(err, CDUL_ERR_USAGE,
                           "%s: not a plug-in with execution providers for ONNX Runtime %s: %.*s",
                           library, cdul_ort_version(), (int)strcspn(message, "\n"), message);
    } else if (status == CDUL_OK && !out->list[0]) {
        cdul_ort_drop(ort->api,
                      ort->api->UnregisterExecutionProviderLibrary(ort->env, out->library));
        status = cdul_fail(err, CDUL_ERR_USAGE,
                           "%s: this plug-in finds no device in this machine that it works on "
                           "(OpenVINO's asks for one by Intel); take another provider",
                           library);
    }
    cdul_ort_drop(ort->api, registered);
    return status;
}

static cdul_status append_plugin(cdul_session *s, OrtSessionOptions *options,
                                 const cdul_provider *from, const char *wanted, int threads,
                                 provider_pairs *pairs, cdul_error *err) {
    const OrtApi *api = s->ort.api;
    plugin_devices plugin = {.list = ""};
    char name[CDUL_PROVIDER_NAME], config[120];
    cdul_status status = load(&s->ort, from->library, wanted, &plugin, err);
    if (status != CDUL_OK) return status;
    if (!plugin.chosen)
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: this plug-in has no provider '%s'; it has: %s",
                         from->library, wanted, plugin.list);
    const char *kind = device_kind(api, plugin.chosen);
    shorten(api->EpDevice_EpName(plugin.chosen), name);
    snprintf(s->provider, sizeof s->provider, "%s on %s", name, kind);
    const bool openvino = strcmp(name, "OpenVINO") == 0 && strcmp(kind, "CPU") == 0;
    if (from->bfloat16 && !(openvino && cdul_processor_has_bfloat16()))
        return refuse_bfloat16(&s->ort, err);
    if (from->bfloat16 && find_pair(pairs, "load_config"))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "%s: the provider option load_config says the precision itself: "
                         "leave --precision bf16 out",
                         s->ort.path);
    /* OpenVINO does not see the session's number of threads, and on processors that have bfloat16
     * it would silently compute in that. */
    snprintf(config, sizeof config,
             "{\"CPU\":{\"INFERENCE_PRECISION_HINT\":\"%s\",\"INFERENCE_NUM_THREADS\":\"%d\"}}",
             from->bfloat16 ? "bf16" : "f32", threads);
    if (openvino) add_default(pairs, "load_config", config);
    return cdul_ort_check_as(
        &s->ort,
        api->SessionOptionsAppendExecutionProvider_V2(options, s->ort.env, &plugin.chosen, 1,
                                                      pairs->keys, pairs->values, pairs->count),
        CDUL_ERR_USAGE, s->provider, err);
}

/* --- Either --- */

cdul_status cdul_provider_append(cdul_session *s, OrtSessionOptions *options,
                                 const cdul_provider *from, int threads, cdul_error *err) {
    const char *wanted = from->name ? from->name : "cpu";
    provider_pairs pairs = {0};
    cdul_status status = read_pairs(&from->options, &pairs, err);
    if (status == CDUL_OK && from->library)
        status = append_plugin(s, options, from, wanted, threads, &pairs, err);
    else if (status == CDUL_OK)
        status = from->bfloat16 ? refuse_bfloat16(&s->ort, err)
                                : append_built_in(s, options, wanted, &pairs, err);
    free(pairs.keys);
    free(pairs.values);
    cdul_strings_free(&pairs.text);
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
