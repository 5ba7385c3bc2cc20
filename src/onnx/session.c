/* Starts ONNX Runtime, opens a session, and tells what its graph says of itself. */
#include "base/file.h"
#include "base/machine.h"
#include "onnx/session_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- ONNX Runtime's errors and environment --- */

#define LONGEST_LINE 700 /* bytes: leaves room for the file's name */

cdul_status cdul_ort_check_as(const cdul_ort *ort, OrtStatus *failed, cdul_status status,
                              const char *doing, cdul_error *err) {
    if (!failed) return CDUL_OK;
    if (ort->api->GetErrorCode(failed) == ORT_NO_SUCHFILE) status = CDUL_ERR_IO;
    const char *message = ort->api->GetErrorMessage(failed);
    int line = (int)strcspn(message, "\n");
    /* OpenVINO's message begins with where it failed, "Exception from file.cpp:54:". Skip that. */
    while (line > 0 && message[line - 1] == ':' && message[line] && message[line + 1]) {
        message += line + 1;
        line = (int)strcspn(message, "\n");
    }
    if (line > LONGEST_LINE) line = LONGEST_LINE;
    cdul_fail(err, status, "%s: %s: %.*s", ort->path, doing, line, message);
    ort->api->ReleaseStatus(failed);
    return status;
}

cdul_status cdul_ort_check(const cdul_ort *ort, OrtStatus *failed, const char *doing,
                           cdul_error *err) {
    return cdul_ort_check_as(ort, failed, CDUL_ERR_RUNTIME, doing, err);
}

void cdul_ort_drop(const OrtApi *api, OrtStatus *failed) {
    if (failed) api->ReleaseStatus(failed);
}

const char *cdul_ort_version(void) { return OrtGetApiBase()->GetVersionString(); }

/* By itself ONNX Runtime logs to stderr, which a library must not. Errors come back as statuses. */
static void ORT_API_CALL swallow_log(void *param, OrtLoggingLevel severity, const char *category,
                                     const char *id, const char *location, const char *message) {
    (void)param, (void)severity, (void)category, (void)id, (void)location, (void)message;
}

/* Microsoft's builds send telemetry, which is switched off as soon as it can be; cdul/provider.h
 * says what remains. */
static cdul_status start(cdul_ort *ort, cdul_error *err) {
    ort->api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (!ort->api)
        return cdul_fail(err, CDUL_ERR_RUNTIME,
                         "ONNX Runtime %s is older than the header cdul was built with (API %d)",
                         cdul_ort_version(), ORT_API_VERSION);
    cdul_status status =
        cdul_ort_check(ort,
                       ort->api->CreateEnvWithCustomLogger(
                           swallow_log, NULL, ORT_LOGGING_LEVEL_ERROR, "cdul", &ort->env),
                       "ONNX Runtime", err);
    if (status == CDUL_OK)
        status =
            cdul_ort_check(ort, ort->api->DisableTelemetryEvents(ort->env), "ONNX Runtime", err);
    return status;
}

/* --- Options --- */

/* Makes ONNX Runtime's session options from ours, provider included. The caller releases *out,
 * after a failure as well. */
static cdul_status prepare(cdul_session *s, const cdul_session_options *from,
                           OrtSessionOptions **out, cdul_error *err) {
    const OrtApi *api = s->ort.api;
    cdul_status status =
        cdul_ort_check(&s->ort, api->CreateSessionOptions(out), "session options", err);
    if (status != CDUL_OK) return status;
    const bool given = from->threads > 0 && from->threads < 4096;
    const int threads = (int)(given ? from->threads : cdul_threads(0));
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
    if (status == CDUL_OK) status = cdul_provider_append(s, *out, &from->provider, threads, err);
    if (status != CDUL_OK || !s->provider[0]) return status;
    return cdul_ort_check(
        &s->ort, api->AddSessionConfigEntry(*out, "session.record_ep_graph_assignment_info", "1"),
        "session options", err);
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
    OrtTypeInfo *type = NULL;
    const OrtTensorTypeAndShapeInfo *tensor = NULL;
    OrtStatus *failed = input ? api->SessionGetInputName(s->session, i, s->allocator, &port->name)
                              : api->SessionGetOutputName(s->session, i, s->allocator, &port->name);
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
    if (type) api->ReleaseTypeInfo(type);
    return status;
}

static cdul_status read_ports(const cdul_session *s, bool input, cdul_port **out, size_t *count,
                              cdul_error *err) {
    const OrtApi *api = s->ort.api;
    size_t n = 0;
    OrtStatus *failed = input ? api->SessionGetInputCount(s->session, &n)
                              : api->SessionGetOutputCount(s->session, &n);
    cdul_status status = cdul_ort_check(&s->ort, failed, "ports", err);
    if (status != CDUL_OK) return status;
    *out = calloc(n ? n : 1, sizeof **out);
    if (!*out) return cdul_fail_memory(err, "ports");
    for (*count = 0; status == CDUL_OK && *count < n; ++*count)
        status = read_port(s, *count, input, *out + *count, err);
    return status;
}

/* Reads all custom properties at once, so that lookups need not allocate. */
static cdul_status read_properties(cdul_session *s, cdul_error *err) {
    const OrtApi *api = s->ort.api;
    OrtAllocator *allocator = s->allocator;
    OrtModelMetadata *all = NULL;
    char **keys = NULL;
    int64_t count = 0;
    cdul_status status =
        cdul_ort_check(&s->ort, api->SessionGetModelMetadata(s->session, &all), "metadata", err);
    if (status == CDUL_OK)
        status = cdul_ort_check(
            &s->ort, api->ModelMetadataGetCustomMetadataMapKeys(all, allocator, &keys, &count),
            "metadata", err);
    for (int64_t i = 0; i < count; i++) {
        char *value = NULL;
        if (status == CDUL_OK)
            status = cdul_ort_check(
                &s->ort, api->ModelMetadataLookupCustomMetadataMap(all, allocator, keys[i], &value),
                "metadata", err);
        if (status == CDUL_OK) status = cdul_strings_add(&s->properties, keys[i], err);
        if (status == CDUL_OK) status = cdul_strings_add(&s->properties, value ? value : "", err);
        allocator->Free(allocator, value);
        allocator->Free(allocator, keys[i]);
    }
    allocator->Free(allocator, keys);
    if (all) api->ReleaseModelMetadata(all);
    return status;
}

static cdul_status create(cdul_session *s, OrtSessionOptions *options, cdul_error *err) {
    char doing[120];
    snprintf(doing, sizeof doing, "ONNX Runtime cannot open it%s%s", s->provider[0] ? " for " : "",
             s->provider);
    cdul_status status = s->provider[0] ? CDUL_OK : cdul_weights_open(s, options, doing, err);
    if (status != CDUL_OK || s->session) return status;
    return cdul_ort_check_as(
        &s->ort, s->ort.api->CreateSession(s->ort.env, s->ort.path, options, &s->session),
        CDUL_ERR_INPUT, doing, err);
}

static cdul_status open_graph(cdul_session *s, const cdul_session_options *options,
                              cdul_error *err) {
    OrtSessionOptions *prepared = NULL;
    cdul_status status = start(&s->ort, err);
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
    if (status == CDUL_OK) status = read_ports(s, true, &s->inputs, &s->n_inputs, err);
    if (status == CDUL_OK) status = read_ports(s, false, &s->outputs, &s->n_outputs, err);
    if (status == CDUL_OK) status = read_properties(s, err);
    return status == CDUL_OK ? cdul_watch_start(s, err) : status;
}

cdul_status cdul_session_open(const char *path, const cdul_session_options *options,
                              cdul_session **out, cdul_error *err) {
    *out = NULL;
    if (!cdul_path_exists(path)) return cdul_fail(err, CDUL_ERR_IO, "%s: no such file", path);
    cdul_session *s = calloc(1, sizeof *s);
    if (!s) return cdul_fail_memory(err, "session");
    s->callbacks = options->callbacks;
    s->ort.path = strdup(path);
    cdul_status status =
        s->ort.path ? open_graph(s, options, err) : cdul_fail_memory(err, "session");
    if (status == CDUL_OK)
        *out = s;
    else
        cdul_session_close(s);
    return status;
}

void cdul_session_close(cdul_session *s) {
    if (!s) return;
    const OrtApi *api = s->ort.api;
    cdul_watch_end(s);
    for (size_t i = 0; i < s->n_inputs; i++) s->allocator->Free(s->allocator, s->inputs[i].name);
    for (size_t i = 0; i < s->n_outputs; i++) s->allocator->Free(s->allocator, s->outputs[i].name);
    free(s->inputs);
    free(s->outputs);
    cdul_strings_free(&s->properties);
    if (s->memory) api->ReleaseMemoryInfo(s->memory);
    if (s->session) api->ReleaseSession(s->session);
    if (s->ort.env) api->ReleaseEnv(s->ort.env);
    free(s->ort.path);
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

const char *cdul_session_metadata(const cdul_session *session, const char *key) {
    const cdul_strings *list = &session->properties;
    for (size_t i = 0; i + 1 < list->count; i += 2)
        if (strcmp(list->items[i], key) == 0) return list->items[i + 1];
    return NULL;
}

const char *cdul_session_path(const cdul_session *session) { return session->ort.path; }

const char *cdul_session_placement(const cdul_session *session) { return session->placement; }
