/* Any bytes as JSON: the parser that every file goes through, and the typed members. */
#include "input.h"

#include "base/json.h"

static void read_members(const cJSON *json) {
    cdul_error err;
    double number;
    bool found, flag;
    const char *text;
    (void)!cdul_json_number(json, "number", "input", &number, &found, &err);
    (void)!cdul_json_bool(json, "flag", "input", &flag, &found, &err);
    if (cdul_json_string(json, "text", "input", &text, NULL, &err) == CDUL_OK)
        CLAIM(strlen(text) < SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = guarded(data, size);
    cJSON *json = NULL, *again = NULL;
    cdul_strings list = {0};
    cdul_error err = {{0}};
    cdul_status status = cdul_json_parse(text, size, "input", &json, &err);
    if (status == CDUL_OK) {
        read_members(json);
        char *printed = cJSON_PrintUnformatted(json);
        CLAIM(printed &&
              cdul_json_parse(printed, strlen(printed), "printed", &again, &err) == CDUL_OK);
        cJSON_free(printed);
        cJSON_Delete(again);
        cJSON_Delete(json);
    } else {
        CLAIM(status == CDUL_ERR_INPUT && err.message[0] && !json);
    }
    if (cdul_json_to_strings(text, size, "input", &list, &err) == CDUL_OK) {
        char *printed = NULL;
        cdul_strings back = {0};
        CLAIM(cdul_json_from_strings(&list, &printed, &err) == CDUL_OK);
        CLAIM(cdul_json_to_strings(printed, strlen(printed), "list", &back, &err) == CDUL_OK);
        CLAIM(cdul_strings_equal(&list, &back));
        free(printed);
        cdul_strings_free(&back);
    }
    cdul_strings_free(&list);
    return 0;
}
