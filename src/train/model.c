/* model.safetensors: a network's tensors, and its card as metadata. */
#include "train/model.h"

#include <stdlib.h>

cdul_status cdul_model_append(cdul_scope *scope, const cdul_tensor *tensor,
                              cdul_safetensors_writer *writer, cdul_error *err) {
    const cdul_dtype dtype = cdul_tensor_declare(tensor, "").dtype;
    size_t count = cdul_tensor_elements(tensor), bytes = count * cdul_dtype_size(dtype);
    void *data = malloc(bytes ? bytes : 1);
    if (data) cdul_tensor_read(scope, tensor, dtype, data, count);
    cdul_status status = cdul_scope_close(scope, err);
    if (status == CDUL_OK)
        status = data ? cdul_safetensors_append(writer, data, bytes, err)
                      : cdul_fail_memory(err, "a tensor");
    free(data);
    return status;
}

static cdul_status write_tensors(const char *path, const cdul_resnet *net,
                                 const cdul_metadata *metadata, cdul_error *err) {
    cdul_safetensors_writer *writer = NULL;
    cdul_tensor_decl *decls = calloc(net->entry_count, sizeof *decls);
    if (!decls) return cdul_fail_memory(err, path);
    for (size_t i = 0; i < net->entry_count; i++)
        decls[i] = cdul_tensor_declare(net->entries[i].tensor, net->entries[i].name);
    cdul_status status = cdul_safetensors_create(path, metadata, CDUL_CARD_FACTS, decls,
                                                 net->entry_count, &writer, err);
    cdul_scope s = {0};
    for (size_t i = 0; i < net->entry_count && status == CDUL_OK; i++)
        status = cdul_model_append(&s, net->entries[i].tensor, writer, err);
    if (status == CDUL_OK) status = cdul_safetensors_commit(&writer, err);
    cdul_safetensors_discard(&writer);
    free(decls);
    return status;
}

cdul_status cdul_model_write(const char *path, const cdul_resnet *net, const cdul_card *card,
                             cdul_error *err) {
    cdul_card_metadata metadata = {0};
    cdul_status status = cdul_card_to_metadata(card, &metadata, err);
    if (status == CDUL_OK) status = write_tensors(path, net, metadata.pairs, err);
    cdul_strings_free(&metadata.texts);
    return status;
}

/* --- Reading --- */

static const char *metadata_of(const void *file, const char *key) {
    return cdul_safetensors_metadata(file, key);
}

static cdul_status read_network(const cdul_safetensors *file, const cdul_card *card,
                                cdul_resnet **net, cdul_error *err) {
    const char *path = cdul_safetensors_path(file);
    if (!card->version) return cdul_card_lacks(path, "version", err);
    if (!card->arch) return cdul_card_lacks(path, "arch", err);
    bool head_replaced = false;
    cdul_resnet_options options = cdul_resnet_defaults();
    options.classes = card->classes.count;
    cdul_status status = cdul_resnet_arch_find(card->arch, &options.arch, err);
    if (status == CDUL_OK && card->bn_eps != options.arch->bn_eps)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"bn_eps\" is %g, but %s has %g",
                           path, card->bn_eps, card->arch, options.arch->bn_eps);
    if (status == CDUL_OK) status = cdul_resnet_new(&options, file, &head_replaced, net, err);
    if (status == CDUL_OK && head_replaced)
        status = cdul_fail(err, CDUL_ERR_INPUT,
                           "%s: the head is not for the %zu classes of the metadata", path,
                           options.classes);
    return status;
}

cdul_status cdul_model_read(const char *path, cdul_resnet **net, cdul_card *card, cdul_error *err) {
    *net = NULL;
    *card = (cdul_card){0};
    cdul_safetensors *file = NULL;
    cdul_status status = cdul_safetensors_open(path, &file, err);
    if (status == CDUL_OK) status = cdul_card_read(metadata_of, file, path, card, err);
    if (status == CDUL_OK) status = read_network(file, card, net, err);
    if (status != CDUL_OK) {
        cdul_card_free(card);
        cdul_resnet_free(*net);
        *net = NULL;
    }
    cdul_safetensors_close(file);
    return status;
}
