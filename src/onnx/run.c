/* One run of a graph: converts the inputs, runs, and converts the outputs to float32; and its end
 * in the middle when the caller says stop. */
#include "base/progress.h"
#include "base/safetensors.h"
#include "onnx/session_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- Element types --- */

static const struct element_facts {
    const char *name;
    size_t size; /* bytes */
    bool floating;
    ONNXTensorElementDataType type;
} elements[] = {
    [CDUL_ELEMENT_F32] = {"float32", 4, true, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT},
    [CDUL_ELEMENT_F16] = {"float16", 2, true, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16},
    [CDUL_ELEMENT_F64] = {"float64", 8, true, ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE},
    [CDUL_ELEMENT_I64] = {"int64", 8, false, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64},
    [CDUL_ELEMENT_I32] = {"int32", 4, false, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32},
    [CDUL_ELEMENT_OTHER] = {"another type", 0, false, ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED},
};

cdul_status cdul_element_shape(const cdul_ort *ort, const OrtTensorTypeAndShapeInfo *info,
                               cdul_element *element, size_t *rank, int64_t *dims,
                               cdul_error *err) {
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    cdul_status status =
        cdul_ort_check(ort, ort->api->GetTensorElementType(info, &type), "type", err);
    if (status == CDUL_OK)
        status = cdul_ort_check(ort, ort->api->GetDimensionsCount(info, rank), "shape", err);
    *element = CDUL_ELEMENT_OTHER;
    if (status != CDUL_OK || *rank > CDUL_PORT_RANK) return status;
    for (int e = 0; e < CDUL_ELEMENT_OTHER; e++)
        if (elements[e].type == type) *element = (cdul_element)e;
    return cdul_ort_check(ort, ort->api->GetDimensions(info, dims, *rank), "shape", err);
}

const char *cdul_port_describe(const cdul_port *port, char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, "%s %s [", port->name, elements[port->element].name);
    for (size_t i = 0; i < port->rank && i < CDUL_PORT_RANK && used < size; i++) {
        char dim[24] = "?";
        if (port->dims[i] >= 0) snprintf(dim, sizeof dim, "%lld", (long long)port->dims[i]);
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", dim);
    }
    if (used < size) snprintf(text + used, size - used, "]");
    return text;
}

/* Converts the `count` numbers of a feed into `out`, for the element types that callers do not
 * have: F16, F64 and I32. A float32 beyond float16's range becomes infinite. */
static cdul_status encode(cdul_element element, const cdul_feed *feed, size_t count, void *out,
                          cdul_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (element == CDUL_ELEMENT_F16) {
            ((uint16_t *)out)[i] = cdul_f32_to_f16(feed->f32[i]);
        } else if (element == CDUL_ELEMENT_F64) {
            ((double *)out)[i] = (double)feed->f32[i];
        } else {
            ((int32_t *)out)[i] = (int32_t)feed->i64[i];
            if (((int32_t *)out)[i] != feed->i64[i])
                return cdul_fail(err, CDUL_ERR_INPUT,
                                 "input %s takes int32, which cannot hold %lld (element %zu)",
                                 feed->name, (long long)feed->i64[i], i);
        }
    }
    return CDUL_OK;
}

static void decode(cdul_element element, const void *data, size_t count, float *out) {
    if (element == CDUL_ELEMENT_F16) {
        cdul_f16s_to_f32s(data, count, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (element == CDUL_ELEMENT_F32) out[i] = ((const float *)data)[i];
        if (element == CDUL_ELEMENT_F64) out[i] = (float)((const double *)data)[i];
        if (element == CDUL_ELEMENT_I64) out[i] = (float)((const int64_t *)data)[i];
        if (element == CDUL_ELEMENT_I32) out[i] = (float)((const int32_t *)data)[i];
    }
}

/* --- Running --- */

/* Elements of `dims`; false if a size is negative or the product overflows. */
static bool count_elements(const int64_t *dims, size_t rank, size_t *count) {
    *count = 1;
    for (size_t i = 0; i < rank; i++)
        if (dims[i] < 0 || __builtin_mul_overflow(*count, (size_t)dims[i], count)) return false;
    return true;
}

/* *converted stays NULL if the graph reads the caller's own numbers. The caller frees both. */
static cdul_status prepare_input(const cdul_session *s, const cdul_feed *feed, void **converted,
                                 OrtValue **value, cdul_error *err) {
    const cdul_port *port = cdul_session_input(s, feed->name);
    size_t count = 0, bytes = 0;
    if (!port)
        return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: no input '%s'", s->ort.path, feed->name);
    const struct element_facts *element = &elements[port->element];
    if (port->element == CDUL_ELEMENT_OTHER || element->floating != (feed->f32 != NULL))
        return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: input %s takes %s", s->ort.path, port->name,
                         element->name);
    if (!count_elements(feed->dims, feed->rank, &count) ||
        __builtin_mul_overflow(count, element->size, &bytes))
        return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: input %s: impossible shape", s->ort.path,
                         port->name);

    /* ONNX Runtime declares the data mutable, but only reads inputs. */
    void *data = feed->f32 ? (void *)(uintptr_t)feed->f32 : (void *)(uintptr_t)feed->i64;
    if (port->element != CDUL_ELEMENT_F32 && port->element != CDUL_ELEMENT_I64) {
        data = *converted = malloc(bytes ? bytes : 1);
        if (!data) return cdul_fail_memory(err, "network input");
        cdul_status status = encode(port->element, feed, count, data, err);
        if (status != CDUL_OK) {
            cdul_error_prefix(err, "%s", s->ort.path);
            return status;
        }
    }
    return cdul_ort_check(&s->ort,
                          s->ort.api->CreateTensorWithDataAsOrtValue(
                              s->memory, data, bytes, feed->dims, feed->rank, element->type, value),
                          port->name, err);
}

static cdul_status fetch_output(const cdul_session *s, OrtValue *value, cdul_fetch *fetch,
                                cdul_error *err) {
    OrtTensorTypeAndShapeInfo *info = NULL;
    cdul_element element = CDUL_ELEMENT_OTHER;
    void *data = NULL;
    cdul_status status =
        cdul_ort_check(&s->ort, s->ort.api->GetTensorTypeAndShape(value, &info), fetch->name, err);
    if (status == CDUL_OK)
        status = cdul_element_shape(&s->ort, info, &element, &fetch->rank, fetch->dims, err);
    if (info) s->ort.api->ReleaseTensorTypeAndShapeInfo(info);
    if (status == CDUL_OK && (element == CDUL_ELEMENT_OTHER || fetch->rank > CDUL_PORT_RANK ||
                              !count_elements(fetch->dims, fetch->rank, &fetch->count)))
        status =
            cdul_fail(err, CDUL_ERR_RUNTIME, "%s: output %s: element type or shape cannot be read",
                      s->ort.path, fetch->name);
    if (status == CDUL_OK)
        status = cdul_ort_check(&s->ort, s->ort.api->GetTensorMutableData(value, &data),
                                fetch->name, err);
    if (status != CDUL_OK) return status;
    fetch->values = calloc(fetch->count ? fetch->count : 1, sizeof *fetch->values);
    if (!fetch->values) return cdul_fail_memory(err, "network output");
    decode(element, data, fetch->count, fetch->values);
    return CDUL_OK;
}

/* Most inputs and most outputs of a run. A CLIP with both towers has four. */
#define MAX_PORTS 8

cdul_status cdul_session_run(cdul_session *s, const cdul_feed *feeds, size_t n_feeds,
                             cdul_fetch *fetches, size_t n_fetches, cdul_error *err) {
    void *converted[MAX_PORTS] = {NULL};
    OrtValue *inputs[MAX_PORTS] = {NULL}, *outputs[MAX_PORTS] = {NULL};
    const char *input_names[MAX_PORTS] = {NULL}, *output_names[MAX_PORTS] = {NULL};
    if (n_feeds > MAX_PORTS || n_fetches > MAX_PORTS)
        return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: more than %d inputs or outputs in one run",
                         s->ort.path, MAX_PORTS);

    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < n_fetches; i++) {
        output_names[i] = fetches[i].name;
        fetches[i].values = NULL;
    }
    for (size_t i = 0; status == CDUL_OK && i < n_feeds; i++) {
        input_names[i] = feeds[i].name;
        status = prepare_input(s, &feeds[i], &converted[i], &inputs[i], err);
    }
    if (status == CDUL_OK)
        status = cdul_ort_check(&s->ort,
                                s->ort.api->Run(s->session, s->run_options, input_names,
                                                (const OrtValue *const *)inputs, n_feeds,
                                                output_names, n_fetches, outputs),
                                "running the network", err);
    if (status == CDUL_ERR_RUNTIME && cdul_stopped(s->callbacks))
        status = cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
    for (size_t i = 0; status == CDUL_OK && i < n_fetches; i++)
        status = fetch_output(s, outputs[i], &fetches[i], err);

    for (size_t i = 0; i < MAX_PORTS; i++) {
        if (inputs[i]) s->ort.api->ReleaseValue(inputs[i]);
        if (outputs[i]) s->ort.api->ReleaseValue(outputs[i]);
        free(converted[i]);
    }
    for (size_t i = 0; status != CDUL_OK && i < n_fetches; i++) {
        free(fetches[i].values);
        fetches[i].values = NULL;
    }
    return status;
}

/* --- Stopping: a batch of RN50x64 can take more than five seconds --- */

#define LOOK_NANOSECONDS 100000000 /* ten times a second */

/* Asks the caller's callback, and sets the flag at which ONNX Runtime stops between two nodes of
 * the graph. */
static void *watch(void *user) {
    cdul_session *s = user;
    while (!cdul_stopped(s->callbacks)) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_NANOSECONDS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (sem_timedwait(&s->end, &until) == 0) return NULL;
    }
    cdul_ort_drop(s->ort.api, s->ort.api->RunOptionsSetTerminate(s->run_options));
    return NULL;
}

cdul_status cdul_watch_start(cdul_session *s, cdul_error *err) {
    if (!s->callbacks || !s->callbacks->should_stop) return CDUL_OK;
    cdul_status status =
        cdul_ort_check(&s->ort, s->ort.api->CreateRunOptions(&s->run_options), "run options", err);
    if (status != CDUL_OK) return status;
    sem_init(&s->end, 0, 0);
    if (pthread_create(&s->watcher, NULL, watch, s) == 0) return CDUL_OK;
    /* No thread is no failure: the run then stops at the end of its batch. */
    s->ort.api->ReleaseRunOptions(s->run_options);
    s->run_options = NULL;
    return CDUL_OK;
}

void cdul_watch_end(cdul_session *s) {
    if (!s->run_options) return;
    sem_post(&s->end);
    pthread_join(s->watcher, NULL);
    sem_destroy(&s->end);
    s->ort.api->ReleaseRunOptions(s->run_options);
}
