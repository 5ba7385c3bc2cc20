/* Reads ground truth from a folder of PASCAL VOC annotations, one XML file an image. */
#include "cdul/versions.h"
#include "eval/truth_readers.h"

#include <dirent.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

/* Depths of annotation, annotation/object and annotation/object/name. */
enum { ROOT = 1, OBJECT = 2, MEMBER = 3 };

typedef struct parser {
    XML_Parser expat;
    cdul_names classes;
    cdul_facts facts;
    size_t image;
    size_t depth;
    bool in_object;
    char name[256]; /* text of annotation/object/name */
    char difficult[16]; /* text of annotation/object/difficult */
    char *text; /* `name` or `difficult`, while its element is read; else NULL */
    size_t text_capacity;
    cdul_status status;
    cdul_error *err;
} parser;

static void stop(parser *p, cdul_status status) {
    p->status = status;
    XML_StopParser(p->expat, XML_FALSE);
}

static void on_start(void *user, const char *element, const char **attributes) {
    (void)attributes;
    parser *p = user;
    p->depth++;
    if (p->depth == ROOT && strcmp(element, "annotation") != 0) {
        stop(p, cdul_fail(p->err, CDUL_ERR_INPUT, "the root element is <%.60s>, not <annotation>",
                          element));
    } else if (p->depth == OBJECT && strcmp(element, "object") == 0) {
        p->in_object = true;
        p->name[0] = p->difficult[0] = '\0';
    } else if (p->depth == MEMBER && p->in_object && strcmp(element, "name") == 0) {
        p->text = p->name;
        p->text_capacity = sizeof p->name;
    } else if (p->depth == MEMBER && p->in_object && strcmp(element, "difficult") == 0) {
        p->text = p->difficult;
        p->text_capacity = sizeof p->difficult;
    }
}

static void on_text(void *user, const char *data, int length) {
    parser *p = user;
    if (!p->text || p->depth != MEMBER) return;
    size_t held = strlen(p->text), added = (size_t)length;
    if (added >= p->text_capacity - held) {
        stop(p, cdul_fail(p->err, CDUL_ERR_INPUT, "a class name is longer than %zu bytes",
                          sizeof p->name - 1));
        return;
    }
    memcpy(p->text + held, data, added);
    p->text[held + added] = '\0';
}

static void finish_object(parser *p) {
    const char *name = cdul_trim(p->name);
    const uint8_t value = strcmp(cdul_trim(p->difficult), "1") == 0 ? CDUL_DIFFICULT : CDUL_PRESENT;
    cdul_status status =
        *name ? cdul_facts_add_named(&p->facts, p->image, &p->classes, name, value, p->err)
              : cdul_fail(p->err, CDUL_ERR_INPUT, "an object has no name");
    if (status != CDUL_OK) stop(p, status);
}

static void on_end(void *user, const char *element) {
    (void)element;
    parser *p = user;
    if (p->depth == MEMBER) p->text = NULL;
    if (p->depth == OBJECT && p->in_object) {
        p->in_object = false;
        finish_object(p);
    }
    p->depth--;
}

/* Annotations need no entities: refusing declarations keeps expansion attacks out. */
static void on_entity(void *user, const char *name, int is_parameter, const char *value, int length,
                      const char *base, const char *system, const char *public,
                      const char *notation) {
    (void)is_parameter, (void)value, (void)length, (void)base, (void)system, (void)public,
        (void)notation;
    parser *p = user;
    stop(p, cdul_fail(p->err, CDUL_ERR_INPUT, "declares the XML entity \"%.60s\": refused", name));
}

static cdul_status parse_xml(parser *p, const char *text, size_t size) {
    p->expat = XML_ParserCreate(NULL);
    if (!p->expat) return cdul_fail_memory(p->err, "XML parser");
    XML_SetUserData(p->expat, p);
    XML_SetElementHandler(p->expat, on_start, on_end);
    XML_SetCharacterDataHandler(p->expat, on_text);
    XML_SetEntityDeclHandler(p->expat, on_entity);
    if (XML_Parse(p->expat, text, (int)size, 1) == XML_STATUS_ERROR && p->status == CDUL_OK)
        p->status =
            cdul_fail(p->err, CDUL_ERR_INPUT, "line %lu: %s", XML_GetCurrentLineNumber(p->expat),
                      XML_ErrorString(XML_GetErrorCode(p->expat)));
    XML_ParserFree(p->expat);
    return p->status;
}

static cdul_status read_file(parser *p, const char *folder, const char *file) {
    char *text = NULL, *path = cdul_path_join(folder, file);
    size_t size = 0;
    if (!path) return cdul_fail_memory(p->err, folder);
    cdul_status status = cdul_file_read_regular(path, &text, &size, p->err);
    if (status == CDUL_OK) {
        status = parse_xml(p, text, size);
        if (status != CDUL_OK) cdul_error_prefix(p->err, "%s", path);
    }
    free(text);
    free(path);
    return status;
}

static int is_annotation(const struct dirent *entry) {
    return entry->d_name[0] != '.' && strcmp(cdul_path_extension(entry->d_name), ".xml") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

cdul_status cdul_truth_read_voc(const char *folder, cdul_truth *truth, cdul_error *err) {
    parser p = {.err = err};
    struct dirent **entries = NULL;
    char *inner = cdul_path_join(folder, "Annotations");
    if (!inner) return cdul_fail_memory(err, folder);
    if (cdul_path_is_folder(inner)) folder = inner;
    const int count = scandir(folder, &entries, is_annotation, by_name);
    cdul_status status = CDUL_OK;
    if (count < 0) status = cdul_fail_errno(err, "%s", folder);
    if (count == 0)
        status =
            cdul_fail(err, CDUL_ERR_INPUT,
                      "%s: no .xml files: expected a folder of PASCAL VOC annotations", folder);
    for (int i = 0; i < count; i++, p.image++) {
        const char *file = entries[i]->d_name;
        if (status == CDUL_OK)
            status = cdul_strings_add_n(&truth->images, file, strlen(file) - strlen(".xml"), err);
        if (status == CDUL_OK) status = read_file(&p, folder, file);
        free(entries[i]);
    }
    free(entries);
    free(inner);
    truth->kind = CDUL_TRUTH_VOC;
    if (status == CDUL_OK) status = cdul_strings_copy(&p.classes.list, &truth->classes, err);
    if (status == CDUL_OK) status = cdul_truth_fill(truth, &p.facts, err);
    cdul_names_free(&p.classes);
    free(p.facts.items);
    return status;
}

void cdul_eval_versions(FILE *out) {
    const XML_Expat_Version expat = XML_ExpatVersionInfo();
    fprintf(out, "expat %d.%d.%d\n", expat.major, expat.minor, expat.micro);
    fprintf(out, "OpenMP %d\n", _OPENMP);
}
