/* Event files: checksums against published vectors, records byte by byte. That TensorBoard itself
 * reads them is checked by tests/e2e/events.py. */
#include "test.h"

#include "base/file.h"
#include "report/tensorboard.h"

#include <dirent.h>
#include <math.h>

static cdul_error err;

/* RFC 3720, appendix B.4, and the check value of the catalogue of CRC algorithms. */
static void checksum_equals_the_published_vectors(void **state) {
    (void)state;
    unsigned char bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(cdul_crc32c(bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(cdul_crc32c(bytes, 32), 0x62a8ab43);
    for (unsigned char i = 0; i < 32; i++) bytes[i] = i;
    assert_int_equal(cdul_crc32c(bytes, 32), 0x46dd794e);
    for (unsigned char i = 0; i < 32; i++) bytes[i] = (unsigned char)(31 - i);
    assert_int_equal(cdul_crc32c(bytes, 32), 0x113fdb5c);
    assert_int_equal(cdul_crc32c("123456789", 9), 0xe3069283);
}

/* Number of event files in `folder`; the last one's path into `path`. */
static size_t find_events(const char *folder, char *path, size_t size) {
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strncmp(entry->d_name, "events.out.tfevents.", 20) == 0) {
            snprintf(path, size, "%s/%s", folder, entry->d_name);
            count++;
        }
    closedir(dir);
    return count;
}

static void clean(const char *folder) {
    char path[512];
    assert_ok(cdul_path_make_folder(folder, &err));
    while (find_events(folder, path, sizeof path)) remove(path);
}

static uint64_t little_endian(const unsigned char *bytes, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

/* Length of the record at `at`, whose checksums must be right. */
static size_t check_record(const unsigned char *at) {
    size_t size = (size_t)little_endian(at, 8);
    const unsigned char *sums[] = {at + 8, at + 12 + size}, *data[] = {at, at + 12};
    const size_t sizes[] = {8, size};
    for (int i = 0; i < 2; i++) {
        uint32_t crc = cdul_crc32c(data[i], sizes[i]), mask = (crc >> 15 | crc << 17) + 0xa282ead8u;
        assert_int_equal(little_endian(sums[i], 4), mask);
    }
    return size;
}

static void records_hold_an_event_each(void **state) {
    (void)state;
    cdul_events *events;
    char path[512], *text;
    size_t size;
    clean("events");
    assert_ok(cdul_events_open("events", &events, &err));
    assert_ok(cdul_events_scalar(events, 300, "train/loss", 0.25, &err));
    cdul_events_close(events);
    assert_int_equal(find_events("events", path, sizeof path), 1);
    assert_ok(cdul_file_read_all(path, &text, &size, &err));
    const unsigned char *at = (const unsigned char *)text;
    size_t first = check_record(at);
    const unsigned char version[] = "\x1a\x0d"
                                    "brain.Event:2";
    assert_int_equal(first, 9 + sizeof version - 1);
    assert_memory_equal(at + 12 + 9, version, sizeof version - 1);
    at += 16 + first;
    /* step = 300; summary { value { tag: "train/loss" simple_value: 0.25 } } */
    const unsigned char expected[] =
        "\x10\xac\x02\x2a\x13\x0a\x11\x0a\x0atrain/loss\x15\x00\x00\x80\x3e";
    assert_int_equal(check_record(at), 9 + sizeof expected - 1);
    assert_int_equal(at[12], 0x09);
    assert_memory_equal(at + 12 + 9, expected, sizeof expected - 1);
    assert_int_equal(size, 16 + first + 16 + 9 + sizeof expected - 1);
    free(text);
}

static void each_run_starts_its_own_file(void **state) {
    (void)state;
    cdul_events *events[3];
    char path[512];
    clean("runs");
    for (int i = 0; i < 3; i++) assert_ok(cdul_events_open("runs", &events[i], &err));
    for (int i = 0; i < 3; i++) cdul_events_close(events[i]);
    assert_int_equal(find_events("runs", path, sizeof path), 3);
    cdul_events_close(NULL);
    assert_fails(cdul_events_open("nowhere", &events[0], &err), CDUL_ERR_IO,
                 "nowhere/events.out.tfevents.");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksum_equals_the_published_vectors),
        cmocka_unit_test(records_hold_an_event_each),
        cmocka_unit_test(each_run_starts_its_own_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
