/* Opening a graph in ONNX Runtime, and what it says of itself. */
#include "base/file.h"
#include "onnx/session_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cdul_session_options cdul_session_defaults(void) {
    return (cdul_session_options){.threads = 0, .provider = {.name = "cpu"}};
}

cdul_status cdul_session_check(const cdul_session *s, OrtStatus *status, cdul_status failure,
                               const char *doing, cdul_error *err) {
    if (!status) return CDUL_OK;
    if (s->api->GetErrorCode(status) == ORT_NO_SUCHFILE) failure = CDUL_ERR_IO;
    const char *message = s->api->GetErrorMessage(status);
    int line = (int)strcspn(message, "\n");
    /* OpenVINO says first where and only then what: "Exception from file.cpp:54:" */
    while (line > 0 && message[line - 1] == ':' && message[line] && message[line + 1]) {
        message += line + 1;
        line = (int)strcspn(message, "\n");
    }
    if (line > 700) line = 700; /* leaves room for the file's name */
    cdul_fail(err, failure, "%s: %s: %.*s", s->path, doing, line, message);
    s->api->ReleaseStatus(status);
    return failure;
}

const char *cdul_session_runtime_version(void) {
    return OrtGetApiBase()->GetVersionString();
}

/* ONNX Runtime logs to stderr by itself; a library must not. What matters comes back as a
 * status. */
static void ORT_API_CALL swallow_log(void *param, OrtLoggingLevel severity, const char *category,
                                     const char *id, const char *location, const char *message) {
    (void)param, (void)severity, (void)category, (void)id, (void)location, (void)message;
}

/* --- Opening --- */

static cdul_status read_port(const cdul_session *s, size_t i, bool input, cdul_port *port,
                             cdul_error *err) {
    const OrtApi *api = s->api;
    char *name = NULL;
    OrtTypeInfo *type = NULL;
    const OrtTensorTypeAndShapeInfo *tensor = NULL;
    cdul_status status =
        cdul_session_check(s,
                           input ? api->SessionGetInputName(s->session, i, s->allocator, &name)
                                 : api->SessionGetOutputName(s->session, i, s->allocator, &name),
                           CDUL_ERR_RUNTIME, "name", err);
    if (status == CDUL_OK)
        status = cdul_session_check(s,
                                    input ? api->SessionGetInputTypeInfo(s->session, i, &type)
                                          : api->SessionGetOutputTypeInfo(s->session, i, &type),
                                    CDUL_ERR_RUNTIME, "type", err);
    if (status == CDUL_OK)
        status = cdul_session_check(s, api->CastTypeInfoToTensorInfo(type, &tensor),
                                    CDUL_ERR_RUNTIME, "type", err);
    port->element = CDUL_ELEMENT_OTHER;
    if (status == CDUL_OK && tensor)
        status = cdul_session_shape(s, tensor, &port->element, &port->rank, port->dims, err);
    if (status == CDUL_OK && !(port->name = strdup(name)))
        status = cdul_fail_memory(err, "port name");
    if (type) api->ReleaseTypeInfo(type);
    if (name) {
        OrtStatus *freed = api->AllocatorFree(s->allocator, name);
        if (freed) api->ReleaseStatus(freed);
    }
    return status;
}

static cdul_status read_ports(const cdul_session *s, bool input, cdul_port **out, size_t *count,
                              cdul_error *err) {
    cdul_status status =
        cdul_session_check(s,
                           input ? s->api->SessionGetInputCount(s->session, count)
                                 : s->api->SessionGetOutputCount(s->session, count),
                           CDUL_ERR_RUNTIME, "ports", err);
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

/* All custom properties, as key, value, key, value ...: read once, so that lookups need not
 * allocate. */
static cdul_status read_properties(cdul_session *s, cdul_error *err) {
    const OrtApi *api = s->api;
    char **keys = NULL;
    int64_t count = 0;
    cdul_status status =
        cdul_session_check(s, api->SessionGetModelMetadata(s->session, &s->metadata),
                           CDUL_ERR_RUNTIME, "metadata", err);
    if (status == CDUL_OK)
        status = cdul_session_check(
            s, api->ModelMetadataGetCustomMetadataMapKeys(s->metadata, s->allocator, &keys, &count),
            CDUL_ERR_RUNTIME, "metadata", err);
    if (status != CDUL_OK || count <= 0) return status;
    s->properties = calloc(2 * (size_t)count, sizeof *s->properties);
    if (!s->properties) status = cdul_fail_memory(err, "metadata");
    for (int64_t i = 0; i < count; i++) {
        char *value = NULL;
        if (status == CDUL_OK)
            status = cdul_session_check(s,
                                        api->ModelMetadataLookupCustomMetadataMap(
                                            s->metadata, s->allocator, keys[i], &value),
                                        CDUL_ERR_RUNTIME, "metadata", err);
        if (status == CDUL_OK) {
            s->properties[s->n_properties++] = strdup(keys[i]);
            s->properties[s->n_properties++] = strdup(value ? value : "");
            if (!s->properties[s->n_properties - 2] || !s->properties[s->n_properties - 1])
                status = cdul_fail_memory(err, "metadata");
        }
        s->allocator->Free(s->allocator, value);
        s->allocator->Free(s->allocator, keys[i]);
    }
    s->allocator->Free(s->allocator, keys);
    return status;
}

/* From 1.29 on Microsoft's builds keep a mark of the machine in the home folder and report what is
 * run, unless this is set before there is an environment: DisableTelemetryEvents comes after the
 * first report. */
static void report_nothing(void) {
    setenv("ORT_DISABLE_TELEMETRY", "1", 1);
}

cdul_status cdul_session_start(cdul_session *s, cdul_error *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, report_nothing);
    s->api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (!s->api)
        return cdul_fail(err, CDUL_ERR_RUNTIME,
                         "ONNX Runtime %s is older than the header cdul was built with (API %d)",
                         cdul_session_runtime_version(), ORT_API_VERSION);
    return cdul_session_check(s,
                              s->api->CreateEnvWithCustomLogger(
                                  swallow_log, NULL, ORT_LOGGING_LEVEL_ERROR, "cdul", &s->env),
                              CDUL_ERR_RUNTIME, "ONNX Runtime", err);
}

static cdul_status open_graph(cdul_session *s, const cdul_session_options *options,
                              cdul_error *err) {
    OrtSessionOptions *prepared = NULL;
    cdul_status status = cdul_session_start(s, err);
    if (status != CDUL_OK) return status;
    const OrtApi *api = s->api;
    status = cdul_session_prepare(s, options, &prepared, err);
    if (status == CDUL_OK) {
        char doing[120];
        snprintf(doing, sizeof doing, "ONNX Runtime cannot open it%s%s",
                 s->provider[0] ? " for " : "", s->provider);
        status = cdul_session_create(s, prepared, doing, err);
    }
    if (prepared) api->ReleaseSessionOptions(prepared);
    if (status == CDUL_OK) status = cdul_session_place(s, err);
    if (status == CDUL_OK)
        status = cdul_session_check(s, api->GetAllocatorWithDefaultOptions(&s->allocator),
                                    CDUL_ERR_RUNTIME, "allocator", err);
    if (status == CDUL_OK)
        status = cdul_session_check(
            s, api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &s->memory),
            CDUL_ERR_RUNTIME, "memory", err);
    return status;
}

cdul_status cdul_session_open(const char *path, const cdul_session_options *options,
                              cdul_session **out, cdul_error *err) {
    *out = NULL;
    const cdul_session_options defaults = cdul_session_defaults();
    if (!cdul_path_exists(path)) return cdul_fail(err, CDUL_ERR_IO, "%s: no such file", path);
    cdul_session *s = calloc(1, sizeof *s);
    if (!s || !(s->path = strdup(path))) {
        free(s);
        return cdul_fail_memory(err, "session");
    }
    if (!options) options = &defaults;
    s->callbacks = options->callbacks;
    cdul_status status = open_graph(s, options, err);
    if (status == CDUL_OK) status = read_ports(s, true, &s->inputs, &s->n_inputs, err);
    if (status == CDUL_OK) status = read_ports(s, false, &s->outputs, &s->n_outputs, err);
    if (status == CDUL_OK) status = read_properties(s, err);
    if (status == CDUL_OK) status = cdul_stop_open(s, err);
    if (status != CDUL_OK) {
        cdul_session_close(s);
        return status;
    }
    *out = s;
    return CDUL_OK;
}

void cdul_session_close(cdul_session *s) {
    if (!s) return;
    cdul_stop_close(s);
    for (size_t i = 0; i < s->n_inputs; i++) free(s->inputs[i].name);
    for (size_t i = 0; i < s->n_outputs; i++) free(s->outputs[i].name);
    for (size_t i = 0; i < s->n_properties; i++) free(s->properties[i]);
    free(s->inputs);
    free(s->outputs);
    free(s->properties);
    if (s->metadata) s->api->ReleaseModelMetadata(s->metadata);
    if (s->memory) s->api->ReleaseMemoryInfo(s->memory);
    if (s->session) s->api->ReleaseSession(s->session);
    if (s->env) s->api->ReleaseEnv(s->env);
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
    int used = snprintf(text, size, "%s %s [", port->name, cdul_element_name(port->element));
    for (size_t i = 0; i < port->rank && i < CDUL_PORT_RANK && used > 0 && (size_t)used < size;
         i++) {
        const char *comma = i ? ", " : "";
        if (port->dims[i] < 0)
            used += snprintf(text + used, size - (size_t)used, "%s?", comma);
        else
            used += snprintf(text + used, size - (size_t)used, "%s%lld", comma,
                             (long long)port->dims[i]);
    }
    if (used > 0 && (size_t)used < size) snprintf(text + used, size - (size_t)used, "]");
    return text;
}

const char *cdul_session_metadata(const cdul_session *session, const char *key) {
    for (size_t i = 0; i + 1 < session->n_properties; i += 2)
        if (strcmp(session->properties[i], key) == 0) return session->properties[i + 1];
    return NULL;
}

const char *cdul_session_path(const cdul_session *session) {
    return session->path;
}

const char *cdul_session_placement(const cdul_session *session) {
    return session->placement;
}
