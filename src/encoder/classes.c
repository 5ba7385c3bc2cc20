/* Class lists: one class a line, its words behind the name, and the background words. */
#include "base/file.h"
#include "base/map.h"
#include "base/utf8.h"
#include "cdul/encoder.h"
#include "encoder/tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A part of the text while it is read: [start, end) without the spaces around. */
typedef struct span {
    const char *start, *end;
} span;

/* Where we are, for errors. */
typedef struct place {
    const char *where;
    const char *line_start;
    size_t line; /* from 1 */
} place;

static span trim(const char *start, const char *end) {
    while (start < end && (*start == ' ' || *start == '\r')) start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\r')) end--;
    return (span){start, end};
}

static cdul_status complain(const place *at, const char *byte, const char *what, cdul_error *err) {
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: line %zu, byte %zu: %s", at->where, at->line,
                     (size_t)(byte - at->line_start) + 1, what);
}

static cdul_status read_words(const place *at, const char *start, const char *end,
                              cdul_strings *words, cdul_error *err) {
    for (;;) {
        const char *comma = memchr(start, ',', (size_t)(end - start));
        span word = trim(start, comma ? comma : end);
        if (word.start == word.end) return complain(at, start, "a prompt word is empty", err);
        cdul_status status =
            cdul_strings_add_n(words, word.start, (size_t)(word.end - word.start), err);
        if (status != CDUL_OK || !comma) return status;
        start = comma + 1;
    }
}

static cdul_status check_bytes(const place *at, const char *end, cdul_error *err) {
    size_t size = (size_t)(end - at->line_start), bad = 0;
    const char *nul = memchr(at->line_start, 0, size);
    if (nul) return complain(at, nul, "a NUL byte", err);
    if (!cdul_utf8_valid(at->line_start, size, &bad))
        return complain(at, at->line_start + bad, "not UTF-8; convert the file (iconv -t UTF-8)",
                        err);
    return CDUL_OK;
}

/* One line that is not empty. Its class becomes the last in `out`, which has room for its words. */
static cdul_status read_class(const place *at, const char *end, cdul_classes *out,
                              cdul_error *err) {
    const char *tab = memchr(at->line_start, '\t', (size_t)(end - at->line_start));
    span name = trim(at->line_start, tab ? tab : end);
    if (name.start == name.end) return complain(at, at->line_start, "the class has no name", err);
    cdul_strings *words = &out->words[out->names.count];
    *words = (cdul_strings){0};
    cdul_status status =
        cdul_strings_add_n(&out->names, name.start, (size_t)(name.end - name.start), err);
    if (status != CDUL_OK) return status;
    if (tab) return read_words(at, tab + 1, end, words, err);
    return cdul_strings_add(words, out->names.items[out->names.count - 1], err);
}

/* Classes whose `keys` are equal are an error that names both lines. */
static cdul_status check_distinct(const cdul_strings *keys, const cdul_strings *names,
                                  const size_t *lines, const char *where, cdul_error *err) {
    cdul_index *index = NULL;
    cdul_status status = cdul_index_new(keys, &index, err);
    cdul_index_free(index);
    if (status != CDUL_ERR_INPUT) return status;
    size_t i = 1, j = 0;
    while (strcmp(keys->items[i], keys->items[j]) != 0)
        if (++j == i) i++, j = 0;
    if (strcmp(names->items[i], names->items[j]) == 0)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: line %zu, byte 1: class '%s' is on line %zu already", where, lines[i],
                         names->items[i], lines[j]);
    return cdul_fail(
        err, CDUL_ERR_INPUT,
        "%s: line %zu, byte 1: class '%s' has the prompts of '%s' on line %zu, as an encoder sees "
        "neither case nor spacing: leave one out, or give it other words after a tab",
        where, lines[i], names->items[i], names->items[j], lines[j]);
}

/* Adds a key that two classes share if their names are one to CLIP's tokenizer, and so are their
 * words. */
static cdul_status add_key(const char *name, const cdul_strings *words, cdul_strings *keys,
                           cdul_error *err) {
    size_t size = strlen(name), folded_size = 0;
    for (size_t w = 0; w < words->count; w++) size += 1 + strlen(words->items[w]);
    char *line = malloc(size + 1), *end = line, *folded = NULL;
    if (!line) return cdul_fail_memory(err, "classes");
    end = stpcpy(end, name);
    for (size_t w = 0; w < words->count; w++) {
        *end++ = 0x1f; /* no white space, which would be folded */
        end = stpcpy(end, words->items[w]);
    }
    cdul_status status = cdul_unicode_fold(line, size, &folded, &folded_size, err);
    if (status == CDUL_OK) status = cdul_strings_add_n(keys, folded, folded_size, err);
    free(folded);
    free(line);
    return status;
}

static cdul_status check_classes(const cdul_classes *classes, const size_t *lines,
                                 const char *where, cdul_error *err) {
    const cdul_strings *names = &classes->names;
    cdul_strings keys = {0};
    cdul_status status = check_distinct(names, names, lines, where, err);
    for (size_t c = 0; status == CDUL_OK && c < names->count; c++)
        status = add_key(names->items[c], &classes->words[c], &keys, err);
    if (status == CDUL_OK) status = check_distinct(&keys, names, lines, where, err);
    cdul_strings_free(&keys);
    return status;
}

/* `lines` [C], the caller's to free whatever comes back: where each class stands. */
static cdul_status parse(const char *text, size_t size, const char *where, cdul_classes *out,
                         size_t **lines, cdul_error *err) {
    *out = (cdul_classes){0};
    const char *end = text + size;
    size_t lines_capacity = 0, words_capacity = 0;
    place at = {where, text, 1};
    cdul_status status = CDUL_OK;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) at.line_start += 3;
    for (const char *stop; status == CDUL_OK && at.line_start < end;
         at.line_start = stop + 1, at.line++) {
        stop = memchr(at.line_start, '\n', (size_t)(end - at.line_start));
        if (!stop) stop = end;
        status = check_bytes(&at, stop, err);
        span content = trim(at.line_start, stop);
        if (status != CDUL_OK || content.start == content.end) continue;
        const size_t count = out->names.count + 1;
        status = cdul_grow(lines, count, &lines_capacity, sizeof **lines, "classes", err);
        if (status == CDUL_OK)
            status =
                cdul_grow(&out->words, count, &words_capacity, sizeof *out->words, "classes", err);
        if (status != CDUL_OK) break;
        (*lines)[count - 1] = at.line;
        status = read_class(&at, content.end, out, err);
    }
    if (status == CDUL_OK && out->names.count == 0)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: no classes in it; write one a line", where);
    if (status == CDUL_OK) status = check_classes(out, *lines, where, err);
    if (status != CDUL_OK) cdul_classes_free(out);
    return status;
}

cdul_status cdul_classes_parse(const char *text, size_t size, const char *where, cdul_classes *out,
                               cdul_error *err) {
    size_t *lines = NULL;
    cdul_status status = parse(text, size, where, out, &lines, err);
    free(lines);
    return status;
}

cdul_status cdul_classes_read(const char *path, cdul_classes *out, cdul_error *err) {
    char *text = NULL;
    size_t size = 0;
    *out = (cdul_classes){0};
    cdul_status status = cdul_file_read_all(path, &text, &size, err);
    if (status == CDUL_OK) status = cdul_classes_parse(text, size, path, out, err);
    free(text);
    return status;
}

/* --- Background words --- */

/* The class of `classes` that is called `word` or has it among its words; CDUL_NOT_FOUND if none
 * does. */
static size_t class_with(const cdul_classes *classes, const char *word) {
    for (size_t c = 0; c < classes->names.count; c++) {
        if (strcasecmp(classes->names.items[c], word) == 0) return c;
        for (size_t w = 0; w < classes->words[c].count; w++)
            if (strcasecmp(classes->words[c].items[w], word) == 0) return c;
    }
    return CDUL_NOT_FOUND;
}

/* A background word that means a class would take the probability that the class should have. */
static cdul_status check_apart(const cdul_classes *classes, const cdul_classes *background,
                               const size_t *lines, const char *where, cdul_error *err) {
    for (size_t b = 0; b < background->names.count; b++) {
        const cdul_strings *words = &background->words[b];
        const char *word = background->names.items[b];
        size_t c = class_with(classes, word);
        for (size_t w = 0; w < words->count && c == CDUL_NOT_FOUND; w++)
            c = class_with(classes, word = words->items[w]);
        if (c != CDUL_NOT_FOUND)
            return cdul_fail(
                err, CDUL_ERR_INPUT,
                "%s: line %zu: background word '%s' is a name or word of class '%s'; remove it",
                where, lines[b], word, classes->names.items[c]);
    }
    return CDUL_OK;
}

/* Moves the words over; the names are copied. */
static cdul_status append(cdul_classes *classes, cdul_classes *background, cdul_error *err) {
    size_t count = classes->names.count, more = background->names.count;
    size_t capacity = count;
    cdul_status status = cdul_grow(&classes->words, count + more, &capacity, sizeof *classes->words,
                                   "background words", err);
    for (size_t b = 0; status == CDUL_OK && b < more; b++) {
        status = cdul_strings_add(&classes->names, background->names.items[b], err);
        if (status != CDUL_OK) break;
        classes->words[count + b] = background->words[b];
        background->words[b] = (cdul_strings){0};
        classes->background++;
    }
    return status;
}

cdul_status cdul_classes_read_background(const char *path, cdul_classes *classes, cdul_error *err) {
    char *text = NULL;
    size_t size = 0, *lines = NULL;
    cdul_classes background = {0};
    cdul_status status = cdul_file_read_all(path, &text, &size, err);
    if (status == CDUL_OK) status = parse(text, size, path, &background, &lines, err);
    if (status == CDUL_OK) status = check_apart(classes, &background, lines, path, err);
    if (status == CDUL_OK) status = append(classes, &background, err);
    cdul_classes_free(&background);
    free(lines);
    free(text);
    return status;
}

void cdul_classes_free(cdul_classes *classes) {
    for (size_t i = 0; classes->words && i < classes->names.count; i++)
        cdul_strings_free(&classes->words[i]);
    free(classes->words);
    cdul_strings_free(&classes->names);
    *classes = (cdul_classes){0};
}
