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
    if (!csv) return cdul_fail_memory(err, path);
    csv->separator = (unsigned char)separator;
    csv->line = 1;
    csv->path = strdup(path);
    csv->stream = fopen(path, "rbe");
    if (!csv->path || !csv->stream) {
        cdul_status status = csv->path ? cdul_fail_errno(err, "%s: cannot be opened", path)
                                       : cdul_fail_memory(err, path);
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

/* Behind a CR: it ends a line with an LF or, in old spreadsheets, alone. */
static void end_line(cdul_csv *csv) {
    int c = next(csv);
    if (c == '\n') return;
    hold(csv, c);
    csv->line++;
}

/* Reads the fields of a record into `text`. *quoted: the last one stands in quotes. */
static cdul_status read_record(cdul_csv *csv, bool *quoted, cdul_error *err) {
    enum { START, PLAIN, QUOTED, CLOSED } state = START; /* CLOSED: behind a quote in quotes */
    size_t opened = 0; /* line of the opening quote */
    cdul_status status = CDUL_OK;
    for (csv->fields.count = 1; status == CDUL_OK;) {
        int c = next(csv);
        if (c == EOF && state == QUOTED && !ferror(csv->stream))
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: line %zu: a quote opens here and never closes", csv->path,
                             opened);
        if (c == EOF || (state != QUOTED && (c == csv->separator || c == '\n' || c == '\r'))) {
            *quoted = state >= QUOTED;
            state = START;
            status = append(csv, '\0', err);
            if (c == '\r') end_line(csv);
            if (c != csv->separator) break;
            csv->fields.count++;
        } else if (c == '"' && state == START) {
            state = QUOTED;
            opened = csv->line;
        } else if (c == '"' && state == QUOTED) {
            state = CLOSED;
        } else if (c != '"' && state == CLOSED) {
            return cdul_fail(
                err, CDUL_ERR_INPUT,
                "%s: line %zu: text after a closing quote; write a quote inside quotes twice",
                csv->path, csv->line);
        } else if (c == '\0') {
            return cdul_fail(err, CDUL_ERR_INPUT, "%s: line %zu: a NUL byte; is this a text file?",
                             csv->path, csv->line);
        } else {
            state = state < QUOTED ? PLAIN : QUOTED;
            status = append(csv, (char)c, err);
        }
    }
    return status;
}

cdul_status cdul_csv_next(cdul_csv *csv, const cdul_strings **fields, bool *end, cdul_error *err) {
    *fields = &csv->fields;
    for (bool quoted = false, empty = true; empty;) { /* an empty line is no record */
        csv->fields.count = csv->length = 0;
        int c = next(csv);
        *end = c == EOF;
        hold(csv, c);
        if (*end) break;
        csv->record = csv->line;
        cdul_status status = read_record(csv, &quoted, err);
        if (status != CDUL_OK) return status;
        empty = csv->fields.count == 1 && !quoted && !csv->text[0];
    }
    if (ferror(csv->stream)) return cdul_fail_errno(err, "%s: cannot be read", csv->path);
    cdul_status status = cdul_grow(&csv->fields.items, csv->fields.count, &csv->fields.capacity,
                                   sizeof(char *), csv->path, err);
    char *text = csv->text;
    for (size_t i = 0; i < csv->fields.count && status == CDUL_OK; i++, text += strlen(text) + 1)
        csv->fields.items[i] = text;
    return status;
}

size_t cdul_csv_line(const cdul_csv *csv) { return csv->record; }

void cdul_csv_close(cdul_csv *csv) {
    if (!csv) return;
    if (csv->stream) fclose(csv->stream);
    free(csv->path);
    free(csv->text);
    free(csv->fields.items);
    free(csv);
}

void cdul_csv_write_field(FILE *stream, const char *text) {
    const bool quoted = !*text || text[strcspn(text, "\",\t\r\n")];
    if (quoted) fputc('"', stream);
    for (; *text; text++) {
        if (*text == '"') fputc('"', stream);
        fputc(*text, stream);
    }
    if (quoted) fputc('"', stream);
}
