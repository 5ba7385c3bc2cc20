/* Writes predictions as JSON lines or CSV, and reads them and label files back. */
#include "cdul/report.h"

#include "base/file.h"
#include "base/json.h"
#include "base/map.h"
#include "labels/label_file.h"
#include "report/markup.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- Writing --- */

struct cdul_predictions {
    cdul_file *file;
    cdul_predictions_format format;
    const cdul_strings *classes;
    size_t *order; /* [C]: classes of the current image, best first */
};

cdul_status cdul_predictions_open(const char *path, cdul_predictions_format format,
                                  const cdul_strings *classes, cdul_predictions **out,
                                  cdul_error *err) {
    cdul_predictions *predictions = calloc(1, sizeof *predictions);
    if (!predictions) return cdul_fail_memory(err, path);
    predictions->format = format;
    predictions->classes = classes;
    predictions->order = calloc(classes->count ? classes->count : 1, sizeof *predictions->order);
    cdul_status status = predictions->order ? cdul_file_create(path, &predictions->file, err)
                                            : cdul_fail_memory(err, path);
    if (status != CDUL_OK) {
        cdul_predictions_discard(&predictions);
        return status;
    }
    if (format == CDUL_PREDICTIONS_CSV)
        cdul_labels_write_header(cdul_file_stream(predictions->file), classes);
    *out = predictions;
    return CDUL_OK;
}

static int by_falling_score(const void *a, const void *b, void *scores) {
    const size_t c = *(const size_t *)a, d = *(const size_t *)b;
    const float x = ((const float *)scores)[c], y = ((const float *)scores)[d];
    return x != y ? (x < y) - (x > y) : (c > d) - (c < d);
}

size_t cdul_rank(const float *scores, const bool *picked, size_t classes, size_t *order) {
    size_t count = 0;
    for (size_t c = 0; c < classes; c++)
        if (!picked || picked[c]) order[count++] = c;
    qsort_r(order, count, sizeof *order, by_falling_score, (void *)scores);
    return count;
}

void cdul_predictions_add(cdul_predictions *predictions, const char *image, const float *scores,
                          const bool *picked) {
    FILE *stream = cdul_file_stream(predictions->file);
    const cdul_strings *classes = predictions->classes;
    if (predictions->format == CDUL_PREDICTIONS_CSV) {
        cdul_labels_write_row(stream, image, scores, picked, classes->count);
        return;
    }
    size_t count = cdul_rank(scores, picked, classes->count, predictions->order);
    fputs("{\"image\":", stream);
    cdul_json_write_string(stream, image, false);
    fputs(",\"labels\":[", stream);
    for (size_t i = 0; i < count; i++) {
        size_t c = predictions->order[i];
        fputs(i ? ",{\"name\":" : "{\"name\":", stream);
        cdul_json_write_string(stream, classes->items[c], false);
        fputs(",\"score\":", stream);
        cdul_labels_write_value(stream, scores[c]);
        putc('}', stream);
    }
    fputs("]}\n", stream);
}

cdul_status cdul_predictions_commit(cdul_predictions **predictions, cdul_error *err) {
    cdul_status status = cdul_file_commit(&(*predictions)->file, err);
    cdul_predictions_discard(predictions);
    return status;
}

void cdul_predictions_discard(cdul_predictions **predictions) {
    if (!predictions || !*predictions) return;
    cdul_file_discard(&(*predictions)->file);
    free((*predictions)->order);
    free(*predictions);
    *predictions = NULL;
}

/* --- Reading JSON lines --- */

typedef struct reader {
    const char *path;
    cdul_index *classes;
    cdul_labels *labels;
    size_t capacity; /* rows in labels->values */
    size_t *given;
    bool *seen; /* [C]: classes seen in the current line */
} reader;

static cdul_status read_label(reader *r, const cJSON *label, float *row, const char *where,
                              cdul_error *err) {
    const char *name;
    double score;
    cdul_status status = cdul_json_string(label, "name", where, &name, NULL, err);
    if (status == CDUL_OK) status = cdul_json_number(label, "score", where, &score, NULL, err);
    if (status != CDUL_OK) return status;
    const cdul_strings *classes = &r->labels->classes;
    size_t c = cdul_index_find(r->classes, name);
    if (c == CDUL_NOT_FOUND) {
        const char *near =
            cdul_strings_nearest(name, (const char *const *)classes->items, classes->count);
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: class \"%s\" is not known%s%s%s", where, name,
                         near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    }
    if (r->seen[c])
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: class \"%s\" occurs twice", where, name);
    if (!(score >= 0 && score <= 1))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: class \"%s\": score %g is not in [0, 1]", where,
                         name, score);
    r->seen[c] = true;
    ++*r->given;
    row[c] = (float)score;
    return CDUL_OK;
}

static cdul_status read_line(reader *r, const char *line, size_t size, const char *where,
                             cdul_error *err) {
    cJSON *json = NULL;
    const char *image;
    size_t c = r->labels->classes.count;
    cdul_status status = cdul_json_parse(line, size, where, &json, err);
    if (status == CDUL_OK) status = cdul_json_string(json, "image", where, &image, NULL, err);
    if (status == CDUL_OK)
        status = cdul_grow(&r->labels->values, r->labels->images.count + 1, &r->capacity,
                           c * sizeof *r->labels->values, "predictions", err);
    if (status != CDUL_OK) goto done;
    const cJSON *labels = cJSON_GetObjectItemCaseSensitive(json, "labels"), *label;
    if (!cJSON_IsArray(labels)) {
        status = cdul_fail(err, CDUL_ERR_INPUT,
                           "%s: labels: expected a list of {\"name\", \"score\"}", where);
        goto done;
    }
    float *row = r->labels->values + r->labels->images.count * c;
    memset(row, 0, c * sizeof *row);
    memset(r->seen, 0, c * sizeof *r->seen);
    for (label = labels->child; label && status == CDUL_OK; label = label->next)
        status = read_label(r, label, row, where, err);
    if (status == CDUL_OK) status = cdul_strings_add(&r->labels->images, image, err);
done:
    cJSON_Delete(json);
    return status;
}

static cdul_status read_lines(reader *r, FILE *stream, cdul_error *err) {
    char *line = NULL;
    size_t capacity = 0, number = 0;
    ssize_t length;
    cdul_status status = CDUL_OK;
    while (status == CDUL_OK && (length = getline(&line, &capacity, stream)) >= 0) {
        char where[512];
        snprintf(where, sizeof where, "%.400s: line %zu", r->path, ++number);
        const bool blank = line[strspn(line, " \t\r\n")] == '\0';
        if (!blank) status = read_line(r, line, (size_t)length, where, err);
    }
    if (status == CDUL_OK && ferror(stream)) status = cdul_fail_errno(err, "%s", r->path);
    free(line);
    return status;
}

static cdul_status read_jsonl(const char *path, FILE *stream, const cdul_strings *classes,
                              cdul_labels *out, size_t *given, cdul_error *err) {
    reader r = {.path = path, .labels = out, .given = given};
    cdul_index *images = NULL;
    *out = (cdul_labels){0};
    *given = 0;
    if (classes->count == 0)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: no classes to look for", path);
    r.seen = calloc(classes->count, sizeof *r.seen);
    cdul_status status = r.seen ? CDUL_OK : cdul_fail_memory(err, path);
    if (status == CDUL_OK) status = cdul_strings_copy(classes, &out->classes, err);
    if (status == CDUL_OK) status = cdul_index_new(&out->classes, &r.classes, err);
    if (status == CDUL_OK) status = read_lines(&r, stream, err);
    if (status == CDUL_OK) {
        status = cdul_index_new(&out->images, &images, err); /* none may occur in two lines */
        if (status != CDUL_OK) cdul_error_prefix(err, "%s: images", path);
    }
    cdul_index_free(images);
    cdul_index_free(r.classes);
    free(r.seen);
    if (status != CDUL_OK) cdul_labels_free(out);
    return status;
}

/* --- Reading any --- */

cdul_status cdul_predictions_read(const char *path, const cdul_strings *classes, cdul_labels *out,
                                  size_t *given, cdul_error *err) {
    size_t blanks = 0;
    FILE *stream = fopen(path, "rbe");
    if (!stream) return cdul_fail_errno(err, "%s", path);
    int first = ungetc(getc(stream), stream);
    cdul_status status =
        first == '{' ? read_jsonl(path, stream, classes, out, given, err) : CDUL_OK;
    fclose(stream);
    if (first == '{') return status;
    status = strcasecmp(cdul_path_extension(path), ".csv") == 0
                 ? cdul_labels_read_csv(path, &blanks, out, err)
                 : cdul_labels_read(path, out, err);
    if (status == CDUL_OK) *given = out->images.count * out->classes.count - blanks;
    return status;
}
