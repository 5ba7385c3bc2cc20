/* Reads ground truth: finds out which kind a path holds, and reads the two kinds of CSV itself. */
#include "base/csv.h"
#include "eval/truth_readers.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void cdul_truth_free(cdul_truth *truth) {
    if (!truth) return;
    cdul_strings_free(&truth->images);
    cdul_strings_free(&truth->classes);
    free(truth->values);
    *truth = (cdul_truth){0};
}

const char *cdul_truth_describe(cdul_truth_kind kind) {
    static const char *const phrases[] = {
        [CDUL_TRUTH_CSV] = "CSV, 1 present, 0 absent",
        [CDUL_TRUTH_CSV_VOC] = "CSV, 1 present, 0 difficult, -1 absent",
        [CDUL_TRUTH_TAGS] = "CSV of tags",
        [CDUL_TRUTH_VOC] = "PASCAL VOC annotations",
        [CDUL_TRUTH_COCO] = "COCO instances",
    };
    return phrases[kind];
}

/* --- Facts --- */

cdul_status cdul_facts_add(cdul_facts *facts, size_t image, size_t class_index, uint8_t value,
                           cdul_error *err) {
    cdul_status status = cdul_grow(&facts->items, facts->count + 1, &facts->capacity,
                                   sizeof *facts->items, "ground truth", err);
    if (status == CDUL_OK) facts->items[facts->count++] = (cdul_fact){image, class_index, value};
    return status;
}

cdul_status cdul_facts_add_named(cdul_facts *facts, size_t image, cdul_names *classes,
                                 const char *name, uint8_t value, cdul_error *err) {
    size_t position;
    cdul_status status = cdul_names_get(classes, name, &position, err);
    return status == CDUL_OK ? cdul_facts_add(facts, image, position, value, err) : status;
}

char *cdul_trim(char *text) {
    static const char space[] = " \t\n\v\f\r";
    text += strspn(text, space);
    size_t length = strlen(text);
    while (length > 0 && strchr(space, text[length - 1])) length--;
    text[length] = '\0';
    return text;
}

cdul_status cdul_truth_fill(cdul_truth *truth, const cdul_facts *facts, cdul_error *err) {
    size_t n = truth->images.count, c = truth->classes.count;
    truth->values = calloc(n ? n : 1, c ? c : 1);
    if (!truth->values) return cdul_fail_memory(err, "ground truth");
    for (size_t i = 0; i < facts->count; i++) {
        const cdul_fact *fact = &facts->items[i];
        uint8_t *value = &truth->values[fact->image * c + fact->class_index];
        if (*value != CDUL_PRESENT) *value = fact->value;
    }
    return CDUL_OK;
}

/* --- CSV of 1, 0, -1 --- */

typedef struct reader {
    const char *path;
    cdul_csv *csv;
    const cdul_strings *fields; /* of the current record */
    cdul_names images;
    size_t columns; /* of the header line */
} reader;

/* Next record, checked against the header; its image must be new. */
static cdul_status next_record(reader *r, bool *end, cdul_error *err) {
    cdul_status status = cdul_csv_next(r->csv, &r->fields, end, err);
    if (status != CDUL_OK || *end) return status;
    size_t line = cdul_csv_line(r->csv), position, known = r->images.list.count;
    if (r->fields->count != r->columns)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: line %zu: %zu fields, the header line has %zu",
                         r->path, line, r->fields->count, r->columns);
    status = cdul_names_get(&r->images, r->fields->items[0], &position, err);
    if (status == CDUL_OK && position < known)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: line %zu: image \"%s\" occurs twice", r->path,
                         line, r->fields->items[0]);
    return status;
}

/* -1, 0 or 1, also as "1.0", which pandas writes into columns with gaps. */
static bool parse_sign(const char *text, int *value) {
    bool minus = text[0] == '-';
    char digit = text[minus];
    /* Nearly always a single digit: strtod takes ten times as long. */
    if ((digit == '0' || digit == '1') && !text[minus + 1]) {
        *value = minus ? '0' - digit : digit - '0';
        return true;
    }
    char *rest;
    double number = strtod(text, &rest);
    while (*rest == ' ') rest++;
    *value = number > 0 ? 1 : number < 0 ? -1 : 0;
    return rest != text && !*rest && (double)*value == number;
}

/* Takes 0 for difficult. In a file without any -1 it means absent, which read_table mends. */
static cdul_status parse_row(const reader *r, const cdul_strings *classes, uint8_t *row,
                             bool *any_minus, cdul_error *err) {
    for (size_t c = 0; c < classes->count; c++) {
        int value;
        if (!parse_sign(r->fields->items[c + 1], &value))
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: line %zu: class \"%s\": \"%s\" is none of 1, 0, -1", r->path,
                             cdul_csv_line(r->csv), classes->items[c], r->fields->items[c + 1]);
        row[c] = value > 0 ? CDUL_PRESENT : value < 0 ? CDUL_ABSENT : CDUL_DIFFICULT;
        *any_minus = *any_minus || value < 0;
    }
    return CDUL_OK;
}

static cdul_status read_table(reader *r, cdul_truth *truth, cdul_error *err) {
    size_t capacity = 0, c = r->columns - 1;
    bool end = false, any_minus = false;
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < c && status == CDUL_OK; i++)
        status = cdul_strings_add(&truth->classes, r->fields->items[i + 1], err);
    while (status == CDUL_OK) {
        status = next_record(r, &end, err);
        if (status != CDUL_OK || end) break;
        size_t rows = r->images.list.count;
        status = cdul_grow(&truth->values, rows, &capacity, c, "ground truth", err);
        if (status == CDUL_OK)
            status = parse_row(r, &truth->classes, truth->values + (rows - 1) * c, &any_minus, err);
    }
    truth->kind = any_minus ? CDUL_TRUTH_CSV_VOC : CDUL_TRUTH_CSV;
    if (status == CDUL_OK) status = cdul_strings_copy(&r->images.list, &truth->images, err);
    for (size_t i = 0; i < truth->images.count * c && !any_minus; i++)
        if (truth->values[i] == CDUL_DIFFICULT) truth->values[i] = CDUL_ABSENT;
    return status;
}

/* --- CSV of tags --- */

/* Sets *out to the separator of the tags, unless no field has more than one tag. */
static cdul_status find_separator(const cdul_strings *tags, const char *path, char *out,
                                  cdul_error *err) {
    for (size_t i = 0; i < tags->count; i++)
        for (const char *at = tags->items[i]; (at = strpbrk(at, ";|,")); at++) {
            if (*out && *out != *at)
                return cdul_fail(err, CDUL_ERR_INPUT,
                                 "%s: tags are separated by '%c' in one place and '%c' in another",
                                 path, *out, *at);
            *out = *at;
        }
    return CDUL_OK;
}

static cdul_status read_tags(reader *r, cdul_truth *truth, cdul_error *err) {
    cdul_names classes = {0};
    cdul_facts facts = {0};
    cdul_strings tags = {0};
    char separator[2] = "";
    bool end = false;
    cdul_status status = CDUL_OK;
    truth->kind = CDUL_TRUTH_TAGS;
    while (status == CDUL_OK) {
        status = next_record(r, &end, err);
        if (status != CDUL_OK || end) break;
        status = cdul_strings_add(&tags, r->fields->items[1], err);
    }
    if (status == CDUL_OK) status = find_separator(&tags, r->path, separator, err);
    for (size_t i = 0; i < tags.count && status == CDUL_OK; i++) {
        char *rest = tags.items[i], *tag;
        while (status == CDUL_OK && (tag = strsep(&rest, separator))) {
            tag = cdul_trim(tag);
            if (*tag) status = cdul_facts_add_named(&facts, i, &classes, tag, CDUL_PRESENT, err);
        }
    }
    if (status == CDUL_OK) status = cdul_strings_copy(&r->images.list, &truth->images, err);
    if (status == CDUL_OK) status = cdul_strings_copy(&classes.list, &truth->classes, err);
    if (status == CDUL_OK) status = cdul_truth_fill(truth, &facts, err);
    cdul_names_free(&classes);
    free(facts.items);
    cdul_strings_free(&tags);
    return status;
}

static bool lists_tags(const cdul_strings *header) {
    return header->count == 2 &&
           (strcmp(header->items[1], "tags") == 0 || strcmp(header->items[1], "labels") == 0);
}

static cdul_status read_csv(const char *path, cdul_truth *truth, cdul_error *err) {
    reader r = {.path = path};
    bool end = false;
    cdul_status status = cdul_csv_open(path, ',', &r.csv, err);
    if (status == CDUL_OK) status = cdul_csv_next(r.csv, &r.fields, &end, err);
    if (status == CDUL_OK && (end || r.fields->count < 2))
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: no header line image,<class>... or image,tags",
                           path);
    if (status == CDUL_OK) {
        r.columns = r.fields->count;
        status = lists_tags(r.fields) ? read_tags(&r, truth, err) : read_table(&r, truth, err);
    }
    cdul_csv_close(r.csv);
    cdul_names_free(&r.images);
    return status;
}

/* --- Any of them --- */

static cdul_status read_text(const char *path, cdul_truth *truth, cdul_error *err) {
    cdul_mapping text = {0};
    cdul_status status = cdul_mapping_open(path, &text, err);
    if (status != CDUL_OK) return status;
    size_t first = text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (first < text.size && isspace(text.data[first])) first++;
    bool json = first < text.size && text.data[first] == '{';
    status = json ? cdul_truth_read_coco(path, &text, truth, err) : read_csv(path, truth, err);
    cdul_mapping_close(&text);
    return status;
}

cdul_status cdul_truth_read(const char *path, cdul_truth *out, cdul_error *err) {
    *out = (cdul_truth){0};
    /* Only finds a class that occurs twice. */
    cdul_index *classes = NULL;
    cdul_status status =
        cdul_path_is_folder(path) ? cdul_truth_read_voc(path, out, err) : read_text(path, out, err);
    if (status == CDUL_OK && out->images.count == 0)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: no images", path);
    if (status == CDUL_OK) status = cdul_index_new(&out->classes, &classes, err);
    cdul_index_free(classes);
    if (status != CDUL_OK) cdul_truth_free(out);
    return status;
}
