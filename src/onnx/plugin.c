/* Execution providers of plug-in libraries: loads a library, and lists and chooses its devices. */
#include "base/file.h"
#include "base/machine.h"
#include "cdul/versions.h"
#include "onnx/provider.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *device_kind(const OrtApi *api, const OrtEpDevice *device) {
    switch (api->HardwareDevice_Type(api->EpDevice_Device(device))) {
    case OrtHardwareDeviceType_CPU:
        return "CPU";
    case OrtHardwareDeviceType_GPU:
        return "GPU";
    case OrtHardwareDeviceType_NPU:
        return "NPU";
    }
    return "?";
}

/* Each device's metadata say which library brought it. */
static bool is_from(const OrtApi *api, const OrtEpDevice *device, const char *library) {
    const char *path = api->GetKeyValue(api->EpDevice_EpMetadata(device), "library_path");
    return path && strcmp(path, library) == 0;
}

/* Devices of one library, grouped by provider: a library may bring several. */
typedef struct plugin_devices {
    /* Links are resolved: a library registered under two paths would be loaded twice. */
    char library[PATH_MAX];
    const OrtEpDevice **devices; /* ONNX Runtime's, as long as the environment lives */
    size_t count;
} plugin_devices;

static cdul_status find_devices(const cdul_ort *ort, plugin_devices *plugin, cdul_error *err) {
    const OrtEpDevice *const *all = NULL;
    size_t n = 0;
    cdul_status status =
        cdul_ort_check(ort, ort->api->GetEpDevices(ort->env, &all, &n), "devices", err);
    if (status != CDUL_OK) return status;
    free(plugin->devices);
    plugin->count = 0;
    plugin->devices = calloc(n + 1, sizeof *plugin->devices);
    if (!plugin->devices) return cdul_fail_memory(err, "devices");
    for (size_t i = 0; i < n; i++)
        if (is_from(ort->api, all[i], plugin->library)) plugin->devices[plugin->count++] = all[i];
    return CDUL_OK;
}

/* Another session of the process may have registered the library before, or may do so meanwhile. */
static cdul_status load(const cdul_ort *ort, const char *library, plugin_devices *plugin,
                        cdul_error *err) {
    *plugin = (plugin_devices){.count = 0};
    if (!realpath(library, plugin->library))
        return cdul_fail_errno(err, "%s: the provider's library cannot be loaded", library);
    cdul_status status = find_devices(ort, plugin, err);
    if (status != CDUL_OK || plugin->count > 0) return status;
    OrtStatus *registered =
        ort->api->RegisterExecutionProviderLibrary(ort->env, plugin->library, plugin->library);
    status = find_devices(ort, plugin, err);
    if (status == CDUL_OK && plugin->count == 0 && registered) {
        const char *message = ort->api->GetErrorMessage(registered);
        status = cdul_fail(err, CDUL_ERR_USAGE,
                           "%s: not a plug-in with execution providers for ONNX Runtime %s: %.*s",
                           library, cdul_ort_version(), (int)strcspn(message, "\n"), message);
    } else if (status == CDUL_OK && plugin->count == 0) {
        cdul_ort_drop(ort->api,
                      ort->api->UnregisterExecutionProviderLibrary(ort->env, plugin->library));
        status = cdul_fail(err, CDUL_ERR_USAGE,
                           "%s: this plug-in finds no device in this machine that it works on "
                           "(OpenVINO's asks for one by Intel); take another provider",
                           library);
    }
    cdul_ort_drop(ort->api, registered);
    return status;
}

/* The number of a device among those of its provider. */
static size_t number_of(const OrtApi *api, const plugin_devices *plugin, size_t i) {
    size_t number = 0;
    const char *name = api->EpDevice_EpName(plugin->devices[i]);
    for (size_t k = 0; k < i; k++)
        number += strcmp(api->EpDevice_EpName(plugin->devices[k]), name) == 0;
    return number;
}

/* "OpenVINO (0 CPU, 1 GPU), OpenVINO.AUTO (0 CPU)"; what does not fit is cut. */
static void describe(const OrtApi *api, const plugin_devices *plugin, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < plugin->count; i++) {
        char name[64];
        if (number_of(api, plugin, i) > 0) continue;
        const char *full = api->EpDevice_EpName(plugin->devices[i]);
        used += (size_t)snprintf(text + used, size - used, "%s%s (", i ? ", " : "",
                                 cdul_provider_short(full, name, sizeof name));
        for (size_t k = i; k < plugin->count && used < size; k++) {
            if (strcmp(api->EpDevice_EpName(plugin->devices[k]), full) != 0) continue;
            used +=
                (size_t)snprintf(text + used, size - used, "%s%zu %s", k > i ? ", " : "",
                                 number_of(api, plugin, k), device_kind(api, plugin->devices[k]));
        }
        if (used < size) used += (size_t)snprintf(text + used, size - used, ")");
        if (used >= size) return;
    }
}

/* The device that "name" or "name:number" means, or NULL. */
static const OrtEpDevice *choose(const OrtApi *api, const plugin_devices *plugin,
                                 const char *wanted) {
    size_t length = strcspn(wanted, ":");
    const char *number = wanted[length] ? wanted + length + 1 : NULL;
    const OrtEpDevice *chosen = NULL;
    for (size_t i = 0; i < plugin->count; i++) {
        char name[64], own[24];
        const OrtEpDevice *device = plugin->devices[i];
        cdul_provider_short(api->EpDevice_EpName(device), name, sizeof name);
        if (strlen(name) != length || strncasecmp(name, wanted, length) != 0) continue;
        snprintf(own, sizeof own, "%zu", number_of(api, plugin, i));
        if (number && strcmp(own, number) == 0) return device;
        if (number) continue;
        if (strcmp(device_kind(api, device), "CPU") == 0) return device;
        if (!chosen) chosen = device;
    }
    return chosen;
}

cdul_status cdul_plugin_append(const cdul_ort *ort, OrtSessionOptions *options,
                               const cdul_provider *from, cdul_provider_pairs *pairs, int threads,
                               char *said, cdul_error *err) {
    plugin_devices plugin;
    char list[CDUL_PROVIDER_LIST], name[64], config[120];
    const OrtEpDevice *device = NULL;
    cdul_status status = load(ort, from->library, &plugin, err);
    if (status == CDUL_OK) {
        device = choose(ort->api, &plugin, from->name ? from->name : "cpu");
        describe(ort->api, &plugin, list, sizeof list);
        if (!device)
            status = cdul_fail(
                err, CDUL_ERR_USAGE,
                "%s: this plug-in has no provider '%s'; it has, with numbered devices: %s",
                from->library, from->name ? from->name : "cpu", list);
    }
    if (status == CDUL_OK) {
        const char *kind = device_kind(ort->api, device);
        cdul_provider_short(ort->api->EpDevice_EpName(device), name, sizeof name);
        snprintf(said, CDUL_PROVIDER_NAME, "%s on %s", name, kind);
        /* OpenVINO does not see the session's number of threads, and on processors that have
         * bfloat16 it would silently compute in that. */
        snprintf(config, sizeof config,
                 "{\"CPU\":{\"INFERENCE_PRECISION_HINT\":\"%s\",\"INFERENCE_NUM_THREADS\":\"%d\"}}",
                 from->bfloat16 ? "bf16" : "f32", threads);
        bool openvino = strcmp(name, "OpenVINO") == 0 && strcmp(kind, "CPU") == 0;
        if (from->bfloat16 && !(openvino && cdul_processor_has_bfloat16()))
            status = cdul_provider_refuse_bfloat16(ort, err);
        else if (from->bfloat16 && cdul_provider_pairs_get(pairs, "load_config"))
            status = cdul_fail(err, CDUL_ERR_USAGE,
                               "%s: the provider option load_config says the precision itself: "
                               "leave --precision bf16 out",
                               ort->path);
        if (openvino) cdul_provider_pairs_default(pairs, "load_config", config);
    }
    if (status == CDUL_OK)
        status = cdul_ort_check_as(
            ort,
            ort->api->SessionOptionsAppendExecutionProvider_V2(
                options, ort->env, &device, 1, pairs->keys, pairs->values, pairs->count),
            CDUL_ERR_USAGE, said, err);
    free(plugin.devices);
    return status;
}

cdul_status cdul_session_versions(const char *library, FILE *out, cdul_error *err) {
    cdul_ort ort = {.path = library};
    plugin_devices plugin = {.count = 0};
    char built_in[CDUL_PROVIDER_LIST], list[CDUL_PROVIDER_LIST];
    cdul_status status = cdul_provider_list(built_in, sizeof built_in, err);
    if (library && status == CDUL_OK) status = cdul_ort_start(&ort, err);
    if (library && status == CDUL_OK) status = load(&ort, library, &plugin, err);
    if (library && status == CDUL_OK) describe(ort.api, &plugin, list, sizeof list);
    free(plugin.devices);
    cdul_ort_end(&ort);
    if (status != CDUL_OK) return status;
    fprintf(out, "onnxruntime %s\nproviders %s\n", cdul_ort_version(), built_in);
    if (library) fprintf(out, "plug-in providers %s\n", list);
    return CDUL_OK;
}
