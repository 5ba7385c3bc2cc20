/* ONNX Runtime copies the weights that lie inside of a graph's file twice before it lays them out
 * for its kernels, but maps those that lie beside it ("external data"). Nothing forbids that the
 * file beside it is the graph's own: so it gets the graph without its weights, and where in the
 * file each of them lies.
 *
 * Read here is the little that this takes of protobuf's wire format and of onnx.proto. */
#include "base/file.h"
#include "onnx/session_internal.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LEAST_BYTES ((size_t)64 << 10) /* smaller tensors, shapes among them, stay in the graph */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* wire types */
enum { MODEL_GRAPH = 7, GRAPH_INITIALIZER = 5 }; /* onnx.proto's field numbers */
enum { TENSOR_RAW_DATA = 9, TENSOR_EXTERNAL_DATA = 13, TENSOR_LOCATION = 14 };
enum { ENTRY_KEY = 1, ENTRY_VALUE = 2, LOCATION_EXTERNAL = 1 };

typedef struct span {
    const unsigned char *at, *end;
} span;

typedef struct field {
    unsigned number, type;
    span whole; /* with its tag */
    span bytes; /* of BYTES */
} field;

/* What is written, and for whom. */
typedef struct outline {
    const unsigned char *file; /* the mapped graph */
    const char *name; /* of the file */
    size_t least; /* bytes */
    size_t moved; /* tensors */
    bool refuse; /* no protobuf, or weights elsewhere: ONNX Runtime shall read it as it is */
    bool no_memory;
} outline;

/* --- Reading --- */

static bool read_varint(span *in, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
        unsigned char byte = *in->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

static bool skip(span *in, uint64_t size) {
    if (size > (uint64_t)(in->end - in->at)) return false;
    in->at += size;
    return true;
}

static bool read_field(span *in, field *out) {
    uint64_t tag, value;
    *out = (field){.whole.at = in->at};
    if (!read_varint(in, &tag) || tag >> 3 > INT_MAX) return false;
    out->number = (unsigned)(tag >> 3);
    out->type = (unsigned)(tag & 7);
    bool good = false;
    if (out->type == VARINT) good = read_varint(in, &value);
    if (out->type == FIXED64) good = skip(in, 8);
    if (out->type == FIXED32) good = skip(in, 4);
    if (out->type == BYTES && read_varint(in, &value)) {
        out->bytes.at = in->at;
        good = skip(in, value);
        out->bytes.end = in->at;
    }
    out->whole.end = in->at;
    return good;
}

static size_t length(span s) {
    return (size_t)(s.end - s.at);
}

/* --- Writing --- */

static void put_varint(FILE *out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) fputc((int)(value & 0x7f) | 0x80, out);
    fputc((int)value, out);
}

static void put_bytes(FILE *out, unsigned number, const void *data, size_t size) {
    put_varint(out, number << 3 | BYTES);
    put_varint(out, size);
    fwrite(data, 1, size, out);
}

static void put_span(FILE *out, span s) {
    fwrite(s.at, 1, length(s), out);
}

/* False if something was not written. */
static bool close_stream(FILE *stream) {
    bool failed = ferror(stream) != 0;
    return fclose(stream) == 0 && !failed;
}

typedef void rewriter(span message, FILE *out, outline *o);

/* A message within another, whose length comes first and is known last. */
static void put_message(FILE *out, unsigned number, rewriter *write, span message, outline *o) {
    char *text = NULL;
    size_t size = 0;
    FILE *part = open_memstream(&text, &size);
    if (part) write(message, part, o);
    if (!part || !close_stream(part))
        o->no_memory = true;
    else
        put_bytes(out, number, text, size);
    free(text);
}

/* key NUL value */
static void write_entry(span pair, FILE *out, outline *o) {
    (void)o;
    const char *key = (const char *)pair.at, *value = key + strlen(key) + 1;
    put_bytes(out, ENTRY_KEY, key, strlen(key));
    put_bytes(out, ENTRY_VALUE, value, strlen(value));
}

static void put_entry(FILE *out, outline *o, const char *key, const char *value) {
    unsigned char pair[NAME_MAX + 32];
    int size = snprintf((char *)pair, sizeof pair, "%s%c%s", key, 0, value);
    put_message(out, TENSOR_EXTERNAL_DATA, write_entry, (span){pair, pair + size}, o);
}

static void put_number(FILE *out, outline *o, const char *key, size_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%zu", value);
    put_entry(out, o, key, digits);
}

/* --- The graph without its weights --- */

static bool is_raw_data(const field *f) {
    return f->number == TENSOR_RAW_DATA && f->type == BYTES;
}

static void write_tensor(span tensor, FILE *out, outline *o) {
    span raw = {0};
    field f;
    for (span in = tensor; in.at < in.end;) {
        if (!read_field(&in, &f)) return;
        if (is_raw_data(&f))
            raw = f.bytes;
        else
            put_span(out, f.whole);
    }
    put_entry(out, o, "location", o->name);
    put_number(out, o, "offset", (size_t)(raw.at - o->file));
    put_number(out, o, "length", length(raw));
    put_varint(out, TENSOR_LOCATION << 3 | VARINT);
    put_varint(out, LOCATION_EXTERNAL);
    o->moved++;
}

/* Has one raw_data, which is worth it. A tensor whose numbers are elsewhere already makes the file
 * one to leave alone. */
static bool is_moved(span tensor, outline *o) {
    size_t raws = 0, bytes = 0;
    field f;
    for (span in = tensor; in.at < in.end;) {
        if (!read_field(&in, &f) || f.number == TENSOR_EXTERNAL_DATA ||
            f.number == TENSOR_LOCATION) {
            o->refuse = true;
            return false;
        }
        if (!is_raw_data(&f)) continue;
        raws++;
        bytes = length(f.bytes);
    }
    return raws == 1 && bytes >= o->least;
}

static void write_graph(span graph, FILE *out, outline *o) {
    field f;
    for (span in = graph; in.at < in.end && !o->refuse;) {
        if (!read_field(&in, &f))
            o->refuse = true;
        else if (f.number == GRAPH_INITIALIZER && f.type == BYTES && is_moved(f.bytes, o))
            put_message(out, GRAPH_INITIALIZER, write_tensor, f.bytes, o);
        else
            put_span(out, f.whole);
    }
}

static void write_model(span model, FILE *out, outline *o) {
    field f;
    for (span in = model; in.at < in.end && !o->refuse;) {
        if (!read_field(&in, &f))
            o->refuse = true;
        else if (f.number == MODEL_GRAPH && f.type == BYTES)
            put_message(out, MODEL_GRAPH, write_graph, f.bytes, o);
        else
            put_span(out, f.whole);
    }
}

cdul_status cdul_weights_outline(const char *path, size_t least, char **out, size_t *size,
                                 cdul_error *err) {
    *out = NULL;
    *size = 0;
    cdul_mapping map = {0};
    cdul_status status = cdul_mapping_open(path, &map, err);
    if (status != CDUL_OK) return status;
    FILE *stream = open_memstream(out, size);
    outline o = {
        .file = map.data, .name = cdul_path_base(path), .least = least, .no_memory = !stream};
    if (stream && map.data) write_model((span){map.data, map.data + map.size}, stream, &o);
    if (stream && !close_stream(stream)) o.no_memory = true;
    cdul_mapping_close(&map);
    if (!o.no_memory && !o.refuse && o.moved > 0) return CDUL_OK;
    free(*out);
    *out = NULL;
    return o.no_memory ? cdul_fail_memory(err, path) : CDUL_OK;
}

/* --- A session of it --- */

static bool is_same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* `path` has no links in it: ONNX Runtime wants the weights below the folder that it is given. */
static cdul_status create_mapped(cdul_session *s, OrtSessionOptions *options, const char *path,
                                 const char *doing, cdul_error *err) {
    static const char folder_key[] = "session.model_external_initializers_file_folder_path";
    char *graph = NULL, *folder = NULL;
    size_t size = 0;
    struct stat before, after;
    if (stat(path, &before) != 0) return cdul_fail_errno(err, "%s: cannot be read", path);
    cdul_status status = cdul_weights_outline(path, LEAST_BYTES, &graph, &size, err);
    if (status == CDUL_OK && graph) {
        folder = strndup(path, (size_t)(cdul_path_base(path) - path));
        if (!folder) status = cdul_fail_memory(err, path);
        if (status == CDUL_OK)
            status =
                cdul_session_check(s, s->api->AddSessionConfigEntry(options, folder_key, folder),
                                   CDUL_ERR_RUNTIME, "session", err);
        if (status == CDUL_OK)
            status = cdul_session_check(
                s, s->api->CreateSessionFromArray(s->env, graph, size, options, &s->session),
                CDUL_ERR_INPUT, doing, err);
        /* It opened the file anew, by its name. */
        if (status == CDUL_OK && (stat(path, &after) != 0 || !is_same_file(&before, &after)))
            status = cdul_fail(err, CDUL_ERR_IO, "%s: was changed while it was opened: run again",
                               s->path);
    }
    free(folder);
    free(graph);
    return status;
}

cdul_status cdul_session_create(cdul_session *s, OrtSessionOptions *options, const char *doing,
                                cdul_error *err) {
    cdul_status status = CDUL_OK;
    if (!s->provider[0]) {
        char *path = realpath(s->path, NULL);
        status = path ? create_mapped(s, options, path, doing, err)
                      : cdul_fail_errno(err, "%s: cannot be opened", s->path);
        free(path);
    }
    if (status != CDUL_OK || s->session) return status;
    return cdul_session_check(s, s->api->CreateSession(s->env, s->path, options, &s->session),
                              CDUL_ERR_INPUT, doing, err);
}
