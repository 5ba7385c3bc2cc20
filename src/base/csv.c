/* Reads CSV a record at a time, and writes single fields. */
#include "base/csv.h"

#include "base/map.h"

#include <stdlib.h>
#include <string.h>

static const unsigned char byte_order_mark[3] = {0xEF, 0xBB, 0xBF};

struct cdul_csv {
    FILE *stream;
    char *path;
    unsigned char separator;
    /* Characters put back: a stack, as pipes cannot seek. */
    unsigned char held[sizeof byte_order_mark];
    size_t n_held;
    size_t line; /* of the next character, from 1 */
    size_t record; /* line where the last record began */
    char *text; /* the record's fields, each ended by NUL */
    size_t length, capacity;
    size_t *starts; /* where each field begins in text */
    size_t starts_capacity;
    cdul_strings fields; /* items point into text */
};

static int next(cdul_csv *csv) {
    int c = csv->n_held ? csv->held[--csv->n_held] : getc_unlocked(csv->stream);
    if (c == '\n') csv->line++;
    return c;
}

static void hold(cdul_csv *csv, int c) {
    if (c == EOF) return;
    if (c == '\n') csv->line--;
    csv->held[csv->n_held++] = (unsigned char)c;
}

cdul_status cdul_csv_open(const char *path, char separator, cdul_csv **out, cdul_error *err) {
    cdul_csv *csv = calloc(1, sizeof *csv);
    if (!csv || !(csv->path = strdup(path))) {
        free(csv);
        return cdul_fail_memory(err, path);
    }
    csv->separator = (unsigned char)separator;
    csv->line = 1;
    csv->stream = fopen(path, "rbe");
    if (!csv->stream) {
        cdul_status status = cdul_fail_errno(err, "%s: cannot be opened", path);
        cdul_csv_close(csv);
        return status;
    }
    unsigned char start[sizeof byte_order_mark];
    size_t got = fread(start, 1, sizeof start, csv->stream);
    if (got != sizeof start || memcmp(start, byte_order_mark, sizeof start) != 0)
        while (got) csv->held[csv->n_held++] = start[--got];
    *out = csv;
    return CDUL_OK;
}

static cdul_status append(cdul_csv *csv, char c, cdul_error *err) {
    cdul_status status = cdul_grow(&csv->text, csv->length + 1, &csv->capacity, 1, csv->path, err);
    if (status == CDUL_OK) csv->text[csv->length++] = c;
    return status;
}

static cdul_status put(cdul_csv *csv, int c, cdul_error *err) {
    if (c == '\0')
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: line %zu: a NUL byte; is this a text file?",
                         csv->path, csv->line);
    return append(csv, (char)c, err);
}

static cdul_status begin_field(cdul_csv *csv, cdul_error *err) {
    cdul_strings *fields = &csv->fields;
    cdul_status status = cdul_grow(&csv->starts, fields->count + 1, &csv->starts_capacity,
                                   sizeof *csv->starts, csv->path, err);
    if (status == CDUL_OK)
        status = cdul_grow(&fields->items, fields->count + 1, &fields->capacity,
                           sizeof *fields->items, csv->path, err);
    if (status == CDUL_OK) csv->starts[fields->count++] = csv->length;
    return status;
}

/* Reads on to the closing quote of a field whose opening quote has been read. */
static cdul_status read_quoted(cdul_csv *csv, cdul_error *err) {
    size_t opened = csv->line;
    cdul_status status = CDUL_OK;
    while (status == CDUL_OK) {
        int c = next(csv);
        if (c == EOF) {
            if (ferror(csv->stream)) return CDUL_OK; /* cdul_csv_next reports it */
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: line %zu: a quote opens here and never closes", csv->path,
                             opened);
        }
        if (c == '"') {
            c = next(csv);
            if (c != '"') {
                hold(csv, c);
                return CDUL_OK;
            }
        }
        status = put(csv, c, err);
    }
    return status;
}

/* Reads one field. *end_of_record: it is the last of its record. *quoted: it stands in quotes. */
static cdul_status read_field(cdul_csv *csv, bool *quoted, bool *end_of_record, cdul_error *err) {
    cdul_status status = begin_field(csv, err);
    if (status != CDUL_OK) return status;
    int c = next(csv);
    *quoted = c == '"';
    if (*quoted) {
        status = read_quoted(csv, err);
        if (status != CDUL_OK) return status;
        c = next(csv);
        if (c != csv->separator && c != '\n' && c != '\r' && c != EOF)
            return cdul_fail(
                err, CDUL_ERR_INPUT,
                "%s: line %zu: text after a closing quote; write a quote inside quotes twice",
                csv->path, csv->line);
    }
    for (; c != csv->separator && c != '\n' && c != '\r' && c != EOF; c = next(csv)) {
        status = put(csv, c, err);
        if (status != CDUL_OK) return status;
    }
    *end_of_record = c != csv->separator;
    if (c == '\r') {
        c = next(csv);
        if (c == EOF || c != '\n') {
            hold(csv, c);
            csv->line++; /* a lone CR, of old spreadsheets, ends a line as well */
        }
    }
    return append(csv, '\0', err);
}

cdul_status cdul_csv_next(cdul_csv *csv, const cdul_strings **fields, bool *end, cdul_error *err) {
    *fields = &csv->fields;
    for (;;) {
        csv->fields.count = csv->length = 0;
        int c = next(csv);
        *end = c == EOF;
        hold(csv, c);
        if (*end) break;
        csv->record = csv->line;
        bool quoted = false, end_of_record = false;
        while (!end_of_record) {
            cdul_status status = read_field(csv, &quoted, &end_of_record, err);
            if (status != CDUL_OK) return status;
        }
        if (csv->fields.count > 1 || quoted || csv->text[0]) break; /* else an empty line */
    }
    if (ferror(csv->stream)) return cdul_fail_errno(err, "%s: cannot be read", csv->path);
    for (size_t i = 0; i < csv->fields.count; i++)
        csv->fields.items[i] = csv->text + csv->starts[i];
    return CDUL_OK;
}

size_t cdul_csv_line(const cdul_csv *csv) { return csv->record; }

void cdul_csv_close(cdul_csv *csv) {
    if (!csv) return;
    if (csv->stream) fclose(csv->stream);
    free(csv->path);
    free(csv->text);
    free(csv->starts);
    free(csv->fields.items);
    free(csv);
}

void cdul_csv_write_field(FILE *stream, const char *text) {
    if (!text[strcspn(text, "\",\t\r\n")] && *text) {
        fputs(text, stream);
        return;
    }
    fputc('"', stream);
    for (; *text; text++) {
        if (*text == '"') fputc('"', stream);
        fputc(*text, stream);
    }
    fputc('"', stream);
}
