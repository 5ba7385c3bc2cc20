/* Opens a graph without copying its weights. ONNX Runtime copies weights inside the graph's file
 * twice before it lays them out for its kernels, but maps weights in another file ("external
 * data"). That other file may be the graph's own: ONNX Runtime is given the graph without its
 * weights, and for each of them its place in the file.
 *
 * The few fields of onnx.proto that this takes are read and written here. */
#include "base/file.h"
#include "base/proto.h"
#include "onnx/session_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LEAST_BYTES ((size_t)64 << 10) /* smaller tensors, shapes among them, stay in the graph */

enum { MODEL_GRAPH = 7, GRAPH_INITIALIZER = 5 }; /* onnx.proto's field numbers */
enum { TENSOR_RAW_DATA = 9, TENSOR_EXTERNAL_DATA = 13, TENSOR_LOCATION = 14 };
enum { ENTRY_KEY = 1, ENTRY_VALUE = 2, LOCATION_EXTERNAL = 1 };

/* A graph on its way into one with external data. */
typedef struct outline {
    const unsigned char *file; /* the mapped graph */
    const char *name; /* of the file */
    size_t least; /* bytes */
    size_t moved; /* tensors */
    bool refuse; /* no protobuf, or has external data: ONNX Runtime reads the file as it is */
} outline;

static void put_entry(cdul_message *out, const char *key, const char *value) {
    cdul_message entry = {0};
    cdul_proto_bytes(&entry, ENTRY_KEY, key, strlen(key));
    cdul_proto_bytes(&entry, ENTRY_VALUE, value, strlen(value));
    cdul_proto_message(out, TENSOR_EXTERNAL_DATA, &entry);
}

static void put_number(cdul_message *out, const char *key, size_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%zu", value);
    put_entry(out, key, digits);
}

/* Makes a tensor external that has one raw_data which is large enough. False: it stays as it is.
 * External data already in the file refuse the whole of it. */
static bool write_tensor(cdul_span tensor, cdul_message *out, outline *o) {
    cdul_span raw = {0};
    size_t raws = 0;
    cdul_field f;
    for (cdul_span in = tensor; in.at < in.end;) {
        if (!cdul_proto_read(&in, &f) || f.number == TENSOR_EXTERNAL_DATA ||
            f.number == TENSOR_LOCATION) {
            o->refuse = true;
            return false;
        }
        if (f.number == TENSOR_RAW_DATA && f.type == CDUL_PROTO_BYTES) {
            raw = f.bytes;
            raws++;
        } else {
            cdul_proto_append(out, f.whole.at, cdul_span_size(f.whole));
        }
    }
    if (raws != 1 || cdul_span_size(raw) < o->least) return false;
    put_entry(out, "location", o->name);
    put_number(out, "offset", (size_t)(raw.at - o->file));
    put_number(out, "length", cdul_span_size(raw));
    cdul_proto_int(out, TENSOR_LOCATION, LOCATION_EXTERNAL);
    o->moved++;
    return true;
}

/* Copies a model, or the graph in it, without the weights. False if it refuses. */
static bool write_outline(cdul_span message, bool is_graph, cdul_message *out, outline *o) {
    const unsigned number = is_graph ? GRAPH_INITIALIZER : MODEL_GRAPH;
    cdul_field f;
    for (cdul_span in = message; in.at < in.end && !o->refuse;) {
        cdul_message part = {0};
        bool rewritten = false;
        if (!cdul_proto_read(&in, &f)) {
            o->refuse = true;
            return false;
        }
        if (f.number == number && f.type == CDUL_PROTO_BYTES)
            rewritten =
                is_graph ? write_tensor(f.bytes, &part, o) : write_outline(f.bytes, true, &part, o);
        if (rewritten) {
            cdul_proto_message(out, number, &part);
        } else {
            cdul_proto_append(out, f.whole.at, cdul_span_size(f.whole));
            free(part.bytes);
        }
    }
    return !o->refuse;
}

cdul_status cdul_weights_outline(const char *path, size_t least, char **out, size_t *size,
                                 cdul_error *err) {
    *out = NULL;
    *size = 0;
    cdul_mapping map = {0};
    cdul_status status = cdul_mapping_open(path, &map, err);
    if (status != CDUL_OK) return status;
    cdul_message graph = {0};
    outline o = {.file = map.data, .name = cdul_path_base(path), .least = least};
    if (map.data) write_outline((cdul_span){map.data, map.data + map.size}, false, &graph, &o);
    cdul_mapping_close(&map);
    if (graph.failed) status = cdul_fail_memory(err, path);
    if (status != CDUL_OK || o.refuse || o.moved == 0) {
        free(graph.bytes);
        return status;
    }
    *out = (char *)graph.bytes;
    *size = graph.size;
    return CDUL_OK;
}

/* --- A session of it --- */

static bool is_same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* `path` has no links: ONNX Runtime wants the weights below the folder that it is given. */
static cdul_status open_mapped(cdul_session *s, OrtSessionOptions *options, const char *path,
                               const char *doing, cdul_error *err) {
    static const char folder_key[] = "session.model_external_initializers_file_folder_path";
    const OrtApi *api = s->ort.api;
    char *graph = NULL;
    size_t size = 0;
    struct stat before, after;
    if (stat(path, &before) != 0) return cdul_fail_errno(err, "%s: cannot be read", path);
    cdul_status status = cdul_weights_outline(path, LEAST_BYTES, &graph, &size, err);
    if (status != CDUL_OK || !graph) return status;
    char *folder = strndup(path, (size_t)(cdul_path_base(path) - path));
    status = folder
                 ? cdul_ort_check(&s->ort, api->AddSessionConfigEntry(options, folder_key, folder),
                                  "session", err)
                 : cdul_fail_memory(err, path);
    if (status == CDUL_OK)
        status = cdul_ort_check_as(
            &s->ort, api->CreateSessionFromArray(s->ort.env, graph, size, options, &s->session),
            CDUL_ERR_INPUT, doing, err);
    /* ONNX Runtime has opened the file a second time, by its name. */
    if (status == CDUL_OK && (stat(path, &after) != 0 || !is_same_file(&before, &after)))
        status = cdul_fail(err, CDUL_ERR_IO, "%s: was changed while it was opened: run again",
                           s->ort.path);
    free(folder);
    free(graph);
    return status;
}

cdul_status cdul_weights_open(cdul_session *s, OrtSessionOptions *options, const char *doing,
                              cdul_error *err) {
    char *path = realpath(s->ort.path, NULL);
    if (!path) return cdul_fail_errno(err, "%s: cannot be opened", s->ort.path);
    cdul_status status = open_mapped(s, options, path, doing, err);
    free(path);
    return status;
}
