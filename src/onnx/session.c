/* Opens a session, and tells what its graph says of itself. */
#include "base/file.h"
#include "base/machine.h"
#include "onnx/session_internal.h"
#include "onnx/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cdul_session_options cdul_session_defaults(void) {
    return (cdul_session_options){.threads = 0, .provider = {.name = "cpu"}};
}

/* --- Options --- */

static cdul_status append_provider(cdul_session *s, OrtSessionOptions *options,
                                   const cdul_provider *from, int threads, cdul_error *err) {
    cdul_provider_pairs pairs;
    cdul_status status = cdul_provider_pairs_read(&from->options, &pairs, err);
    if (status == CDUL_OK && from->bfloat16 && !from->library)
        status = cdul_provider_refuse_bfloat16(&s->ort, err);
    if (status == CDUL_OK)
        status = from->library
                     ? cdul_plugin_append(&s->ort, options, from, &pairs, threads, s->provider, err)
                     : cdul_provider_append(&s->ort, options, from->name ? from->name : "cpu",
                                            &pairs, s->provider, err);
    cdul_provider_pairs_free(&pairs);
    if (status != CDUL_OK || !s->provider[0]) return status;
    return cdul_ort_check(
        &s->ort,
        s->ort.api->AddSessionConfigEntry(options, "session.record_ep_graph_assignment_info", "1"),
        "session options", err);
}

/* Makes ONNX Runtime's session options from ours, provider included. The caller releases *out,
 * after a failure as well. */
static cdul_status prepare(cdul_session *s, const cdul_session_options *from,
                           OrtSessionOptions **out, cdul_error *err) {
    const OrtApi *api = s->ort.api;
    cdul_status status =
        cdul_ort_check(&s->ort, api->CreateSessionOptions(out), "session options", err);
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
        /* Threads that spin while idle would take the cores of those that decode. */
        api->AddSessionConfigEntry(*out, "session.intra_op.allow_spinning", "0"),
        /* In release 1.32 this step crashes on transformers that compute in float16. It does
         * nothing to graphs without float16. */
        api->AddSessionConfigEntry(*out, "optimization.disable_specified_optimizers",
                                   "FuseFp16InitializerToFp32NodeTransformer"),
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (status == CDUL_OK)
            status = cdul_ort_check(&s->ort, steps[i], "session options", err);
        else
            cdul_ort_drop(api, steps[i]);
    }
    return status == CDUL_OK ? append_provider(s, *out, &from->provider, threads, err) : status;
}

/* --- Who runs what --- */

/* Counts the nodes that the provider took in the new session, and refuses one that took none. */
static cdul_status place(cdul_session *s, cdul_error *err) {
    const OrtEpAssignedSubgraph *const *parts = NULL;
    size_t n_parts = 0, own = 0, all = 0;
    snprintf(s->placement, sizeof s->placement, "CPU");
    if (!s->provider[0]) return CDUL_OK;
    cdul_status status = cdul_ort_check(
        &s->ort, s->ort.api->Session_GetEpGraphAssignmentInfo(s->session, &parts, &n_parts),
        "nodes", err);
    for (size_t i = 0; status == CDUL_OK && i < n_parts; i++) {
        const OrtEpAssignedNode *const *nodes = NULL;
        const char *name = NULL;
        size_t count = 0;
        status = cdul_ort_check(&s->ort, s->ort.api->EpAssignedSubgraph_GetEpName(parts[i], &name),
                                "nodes", err);
        if (status == CDUL_OK)
            status = cdul_ort_check(
                &s->ort, s->ort.api->EpAssignedSubgraph_GetNodes(parts[i], &nodes, &count), "nodes",
                err);
        if (status == CDUL_OK && strcmp(name, "CPUExecutionProvider") != 0) own += count;
        all += count;
    }
    if (status != CDUL_OK) return status;
    if (own == 0)
        return cdul_fail(
            err, CDUL_ERR_RUNTIME,
            "%s: %s can run none of the graph's %zu operations; run it with provider cpu",
            s->ort.path, s->provider, all);
    if (own == all)
        snprintf(s->placement, sizeof s->placement, "%s: all %zu nodes", s->provider, all);
    else
        snprintf(s->placement, sizeof s->placement, "%s: %zu of %zu nodes, %zu on the CPU provider",
                 s->provider, own, all, all - own);
    return CDUL_OK;
}

/* --- Opening --- */

static cdul_status read_port(const cdul_session *s, size_t i, bool input, cdul_port *port,
                             cdul_error *err) {
    const OrtApi *api = s->ort.api;
    char *name = NULL;
    OrtTypeInfo *type = NULL;
    const OrtTensorTypeAndShapeInfo *tensor = NULL;
    OrtStatus *failed = input ? api->SessionGetInputName(s->session, i, s->allocator, &name)
                              : api->SessionGetOutputName(s->session, i, s->allocator, &name);
    cdul_status status = cdul_ort_check(&s->ort, failed, "name", err);
    if (status != CDUL_OK) return status;
    failed = input ? api->SessionGetInputTypeInfo(s->session, i, &type)
                   : api->SessionGetOutputTypeInfo(s->session, i, &type);
    status = cdul_ort_check(&s->ort, failed, "type", err);
    if (status == CDUL_OK)
        status = cdul_ort_check(&s->ort, api->CastTypeInfoToTensorInfo(type, &tensor), "type", err);
    port->element = CDUL_ELEMENT_OTHER;
    if (status == CDUL_OK && tensor)
        status = cdul_element_shape(&s->ort, tensor, &port->element, &port->rank, port->dims, err);
    port->name = strdup(name);
    if (status == CDUL_OK && !port->name) status = cdul_fail_memory(err, "port name");
    if (type) api->ReleaseTypeInfo(type);
    s->allocator->Free(s->allocator, name);
    return status;
}

static cdul_status read_ports(const cdul_session *s, bool input, cdul_port **out, size_t *count,
                              cdul_error *err) {
    const OrtApi *api = s->ort.api;
    OrtStatus *failed = input ? api->SessionGetInputCount(s->session, count)
                              : api->SessionGetOutputCount(s->session, count);
    cdul_status status = cdul_ort_check(&s->ort, failed, "ports", err);
    if (status != CDUL_OK) return status;
    *out = calloc(*count ? *count : 1, sizeof **out);
    if (!*out) {
        *count = 0;
        return cdul_fail_memory(err, "ports");
    }
    for (size_t i = 0; status == CDUL_OK && i < *count; i++)
        status = read_port(s, i, input, &(*out)[i], err);
    return status;
}

/* Reads all custom properties at once, so that lookups need not allocate. */
static cdul_status read_properties(cdul_session *s, cdul_error *err) {
    const OrtApi *api = s->ort.api;
    OrtAllocator *allocator = s->allocator;
    char **keys = NULL;
    int64_t count = 0;
    cdul_status status = cdul_ort_check(
        &s->ort, api->SessionGetModelMetadata(s->session, &s->metadata), "metadata", err);
    if (status == CDUL_OK)
        status = cdul_ort_check(
            &s->ort,
            api->ModelMetadataGetCustomMetadataMapKeys(s->metadata, allocator, &keys, &count),
            "metadata", err);
    if (status != CDUL_OK || count <= 0) return status;
    for (int64_t i = 0; i < count; i++) {
        char *value = NULL;
        if (status == CDUL_OK)
            status = cdul_ort_check(
                &s->ort,
                api->ModelMetadataLookupCustomMetadataMap(s->metadata, allocator, keys[i], &value),
                "metadata", err);
        if (status == CDUL_OK) status = cdul_strings_add(&s->properties, keys[i], err);
        if (status == CDUL_OK) status = cdul_strings_add(&s->properties, value ? value : "", err);
        allocator->Free(allocator, value);
        allocator->Free(allocator, keys[i]);
    }
    allocator->Free(allocator, keys);
    return status;
}

static cdul_status create(cdul_session *s, OrtSessionOptions *options, cdul_error *err) {
    char doing[120];
    snprintf(doing, sizeof doing, "ONNX Runtime cannot open it%s%s", s->provider[0] ? " for " : "",
             s->provider);
    cdul_status status = CDUL_OK;
    if (!s->provider[0]) status = cdul_weights_open(&s->ort, options, doing, &s->session, err);
    if (status != CDUL_OK || s->session) return status;
    return cdul_ort_check_as(
        &s->ort, s->ort.api->CreateSession(s->ort.env, s->ort.path, options, &s->session),
        CDUL_ERR_INPUT, doing, err);
}

static cdul_status open_graph(cdul_session *s, const cdul_session_options *options,
                              cdul_error *err) {
    OrtSessionOptions *prepared = NULL;
    cdul_status status = cdul_ort_start(&s->ort, err);
    if (status != CDUL_OK) return status;
    const OrtApi *api = s->ort.api;
    status = prepare(s, options, &prepared, err);
    if (status == CDUL_OK) status = create(s, prepared, err);
    if (prepared) api->ReleaseSessionOptions(prepared);
    if (status == CDUL_OK) status = place(s, err);
    if (status == CDUL_OK)
        status = cdul_ort_check(&s->ort, api->GetAllocatorWithDefaultOptions(&s->allocator),
                                "allocator", err);
    if (status == CDUL_OK)
        status = cdul_ort_check(
            &s->ort, api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &s->memory),
            "memory", err);
    return status;
}

cdul_status cdul_session_open(const char *path, const cdul_session_options *options,
                              cdul_session **out, cdul_error *err) {
    *out = NULL;
    const cdul_session_options defaults = cdul_session_defaults();
    if (!options) options = &defaults;
    if (!cdul_path_exists(path)) return cdul_fail(err, CDUL_ERR_IO, "%s: no such file", path);
    cdul_session *s = calloc(1, sizeof *s);
    if (!s) return cdul_fail_memory(err, "session");
    s->callbacks = options->callbacks;
    s->path = strdup(path);
    s->ort.path = s->path;
    cdul_status status = s->path ? open_graph(s, options, err) : cdul_fail_memory(err, "session");
    if (status == CDUL_OK) status = read_ports(s, true, &s->inputs, &s->n_inputs, err);
    if (status == CDUL_OK) status = read_ports(s, false, &s->outputs, &s->n_outputs, err);
    if (status == CDUL_OK) status = read_properties(s, err);
    if (status == CDUL_OK) status = cdul_stop_open(&s->ort, s->callbacks, &s->stop, err);
    if (status == CDUL_OK)
        *out = s;
    else
        cdul_session_close(s);
    return status;
}

void cdul_session_close(cdul_session *s) {
    if (!s) return;
    const OrtApi *api = s->ort.api;
    cdul_stop_close(s->stop);
    for (size_t i = 0; i < s->n_inputs; i++) free(s->inputs[i].name);
    for (size_t i = 0; i < s->n_outputs; i++) free(s->outputs[i].name);
    free(s->inputs);
    free(s->outputs);
    cdul_strings_free(&s->properties);
    if (s->metadata) api->ReleaseModelMetadata(s->metadata);
    if (s->memory) api->ReleaseMemoryInfo(s->memory);
    if (s->session) api->ReleaseSession(s->session);
    cdul_ort_end(&s->ort);
    free(s->path);
    free(s);
}

/* --- What the graph says of itself --- */

const cdul_port *cdul_session_inputs(const cdul_session *session, size_t *count) {
    *count = session->n_inputs;
    return session->inputs;
}

const cdul_port *cdul_session_outputs(const cdul_session *session, size_t *count) {
    *count = session->n_outputs;
    return session->outputs;
}

static const cdul_port *find_port(const cdul_port *ports, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(ports[i].name, name) == 0) return &ports[i];
    return NULL;
}

const cdul_port *cdul_session_input(const cdul_session *session, const char *name) {
    return find_port(session->inputs, session->n_inputs, name);
}

const cdul_port *cdul_session_output(const cdul_session *session, const char *name) {
    return find_port(session->outputs, session->n_outputs, name);
}

const char *cdul_port_describe(const cdul_port *port, char *text, size_t size) {
    const char *element = cdul_elements[port->element].name;
    size_t used = (size_t)snprintf(text, size, "%s %s [", port->name, element);
    for (size_t i = 0; i < port->rank && i < CDUL_PORT_RANK && used < size; i++) {
        char dim[24] = "?";
        if (port->dims[i] >= 0) snprintf(dim, sizeof dim, "%lld", (long long)port->dims[i]);
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", dim);
    }
    if (used < size) snprintf(text + used, size - used, "]");
    return text;
}

const char *cdul_session_metadata(const cdul_session *session, const char *key) {
    const cdul_strings *list = &session->properties;
    for (size_t i = 0; i + 1 < list->count; i += 2)
        if (strcmp(list->items[i], key) == 0) return list->items[i + 1];
    return NULL;
}

const char *cdul_session_path(const cdul_session *session) { return session->ort.path; }

const char *cdul_session_placement(const cdul_session *session) { return session->placement; }
