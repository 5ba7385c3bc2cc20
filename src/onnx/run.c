/* One run of a graph: inputs converted and wrapped, outputs copied out. */
#include "base/progress.h"
#include "onnx/session_internal.h"

#include <stdlib.h>

/* Elements of `dims`; false if a size is negative or the product overflows. */
static bool count_elements(const int64_t *dims, size_t rank, size_t *count) {
    *count = 1;
    for (size_t i = 0; i < rank; i++)
        if (dims[i] < 0 || __builtin_mul_overflow(*count, (size_t)dims[i], count)) return false;
    return true;
}

/* One input on its way into the graph. */
typedef struct prepared {
    OrtValue *value;
    void *converted; /* NULL if the graph reads the caller's own numbers */
} prepared;

static cdul_status prepare_input(const cdul_session *s, const cdul_feed *feed, prepared *out,
                                 cdul_error *err) {
    const cdul_port *port = cdul_session_input(s, feed->name);
    size_t count = 0, bytes = 0;
    if (!port)
        return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: no input '%s'", s->ort.path, feed->name);
    if (!cdul_element_accepts(port->element, feed->f32 != NULL))
        return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: input %s takes %s", s->ort.path, port->name,
                         cdul_element_name(port->element));
    if (!count_elements(feed->dims, feed->rank, &count) ||
        __builtin_mul_overflow(count, cdul_element_size(port->element), &bytes))
        return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: input %s: impossible shape", s->ort.path,
                         port->name);

    /* ONNX Runtime declares the data mutable but only reads inputs */
    void *data = feed->f32 ? (void *)(uintptr_t)feed->f32 : (void *)(uintptr_t)feed->i64;
    if (port->element != CDUL_ELEMENT_F32 && port->element != CDUL_ELEMENT_I64) {
        data = out->converted = malloc(bytes ? bytes : 1);
        if (!data) return cdul_fail_memory(err, "network input");
        cdul_status status = cdul_values_encode(port->element, feed, count, data, err);
        if (status != CDUL_OK) {
            cdul_error_prefix(err, "%s", s->ort.path);
            return status;
        }
    }
    return cdul_ort_check(
        &s->ort,
        s->ort.api->CreateTensorWithDataAsOrtValue(s->memory, data, bytes, feed->dims, feed->rank,
                                                   cdul_ort_type(port->element), &out->value),
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
        status = cdul_ort_shape(&s->ort, info, &element, &fetch->rank, fetch->dims, err);
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
    cdul_values_decode(element, data, fetch->count, fetch->values);
    return CDUL_OK;
}

/* Fed or fetched in one run: the largest graph met (a CLIP with both towers) has four. */
#define MAX_PORTS 8

cdul_status cdul_session_run(cdul_session *s, const cdul_feed *feeds, size_t n_feeds,
                             cdul_fetch *fetches, size_t n_fetches, cdul_error *err) {
    prepared inputs[MAX_PORTS] = {{NULL, NULL}};
    const OrtValue *values[MAX_PORTS] = {NULL};
    OrtValue *results[MAX_PORTS] = {NULL};
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
        status = prepare_input(s, &feeds[i], &inputs[i], err);
        input_names[i] = feeds[i].name;
        values[i] = inputs[i].value;
    }
    if (status == CDUL_OK)
        status = cdul_ort_check(&s->ort,
                                s->ort.api->Run(s->session, cdul_stop_options(s->stop), input_names,
                                                values, n_feeds, output_names, n_fetches, results),
                                "running the network", err);
    if (status == CDUL_ERR_RUNTIME && cdul_stopped(s->callbacks))
        status = cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
    for (size_t i = 0; status == CDUL_OK && i < n_fetches; i++)
        status = fetch_output(s, results[i], &fetches[i], err);

    for (size_t i = 0; i < n_feeds; i++) {
        if (inputs[i].value) s->ort.api->ReleaseValue(inputs[i].value);
        free(inputs[i].converted);
    }
    for (size_t i = 0; i < n_fetches; i++) {
        if (results[i]) s->ort.api->ReleaseValue(results[i]);
        if (status == CDUL_OK) continue;
        free(fetches[i].values);
        fetches[i].values = NULL;
    }
    return status;
}
