#include "test.h"

#include "cdul/image.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each test works in a fresh folder below the program's scratch folder. */
static int enter(void **state) {
    char *folder = strdup("list-XXXXXX");
    *state = folder;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state) {
    char command[100];
    if (chdir("..") != 0) return -1;
    snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
    free(*state);
    return system(command);
}

static void put_text(const char *path, const char *text, size_t size) {
    FILE *stream = fopen(path, "wb");
    if (!stream) fail_msg("%s: %s", path, strerror(errno));
    assert_int_equal(fwrite(text, 1, size, stream), size);
    fclose(stream);
}

/* Empty files, their folders made on the way. Listing does not open images. */
static void put_files(const char *const *paths) {
    for (; *paths; paths++) {
        char folder[300];
        snprintf(folder, sizeof folder, "%s", *paths);
        for (char *slash = strchr(folder, '/'); slash; slash = strchr(slash + 1, '/')) {
            *slash = '\0';
            mkdir(folder, 0700);
            *slash = '/';
        }
        put_text(*paths, "", 0);
    }
}

#define FILES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ARGUMENTS(...)                                                                             \
    ((const char *const[]){__VA_ARGS__}),                                                          \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static void assert_strings(const cdul_strings *list, const char *const *want) {
    for (size_t i = 0; i < list->count; i++) {
        if (!want[i]) fail_msg("%s is too much", list->items[i]);
        assert_string_equal(list->items[i], want[i]);
    }
    if (want[list->count]) fail_msg("%s lacks", want[list->count]);
}

static void assert_listed(const char *const *arguments, size_t count,
                          const cdul_list_options *options, const char *const *want_paths,
                          const char *const *want_names) {
    cdul_strings paths, names;
    cdul_error err;
    assert_ok(cdul_list_images(arguments, count, options, &paths, &names, &err));
    assert_strings(&paths, want_paths);
    assert_strings(&names, want_names);
    cdul_strings_free(&paths);
    cdul_strings_free(&names);
}

static void assert_refused(const char *const *arguments, size_t count,
                           const cdul_list_options *options, cdul_status want,
                           const char *message) {
    cdul_strings paths, names;
    cdul_error err;
    assert_fails(cdul_list_images(arguments, count, options, &paths, &names, &err), want, message);
    assert_int_equal(paths.count + names.count, 0);
}

/* '-' < '.' < '/' < '0' < 'A' < 'a' */
static void folders_are_searched_and_sorted_by_bytes(void **state) {
    (void)state;
    put_files(FILES("photos/b.jpg", "photos/a/z.png", "photos/a.jpg", "photos/B.JPEG",
                    "photos/a-1.webp", "photos/a0/deep/er/x.gif"));
    assert_listed(ARGUMENTS("photos"), NULL,
                  FILES("photos/B.JPEG", "photos/a-1.webp", "photos/a.jpg", "photos/a/z.png",
                        "photos/a0/deep/er/x.gif", "photos/b.jpg"),
                  FILES("B.JPEG", "a-1.webp", "a.jpg", "a/z.png", "a0/deep/er/x.gif", "b.jpg"));
}

static void a_slash_after_the_folder_changes_nothing_in_the_names(void **state) {
    (void)state;
    put_files(FILES("p/a.jpg"));
    assert_listed(ARGUMENTS("p/"), NULL, FILES("p/a.jpg"), FILES("a.jpg"));
    assert_listed(ARGUMENTS("."), NULL, FILES("./p/a.jpg"), FILES("p/a.jpg"));
}

static void hidden_and_other_files_are_left_out(void **state) {
    (void)state;
    put_files(FILES("p/a.jpg", "p/.b.jpg", "p/._a.jpg", "p/.git/c.jpg", "p/notes.txt", "p/jpg",
                    "p/d.jpg.xml"));
    assert_int_equal(mkfifo("p/pipe.jpg", 0600), 0);
    assert_int_equal(symlink("nowhere", "p/dangling.jpg"), 0);
    assert_listed(ARGUMENTS("p"), NULL, FILES("p/a.jpg"), FILES("a.jpg"));
}

static void every_extension_that_can_be_read_is_found(void **state) {
    (void)state;
    const char *const *files =
        FILES("p/a.bmp", "p/a.gif", "p/a.jfif", "p/a.jpe", "p/a.jpeg", "p/a.jpg", "p/a.pbm",
              "p/a.pgm", "p/a.png", "p/a.pnm", "p/a.ppm", "p/a.tga", "p/a.webp");
    put_files(files);
    cdul_strings paths, names;
    cdul_error err;
    assert_ok(cdul_list_images(ARGUMENTS("p"), NULL, &paths, &names, &err));
    assert_strings(&paths, files);
    cdul_strings_free(&paths);
    cdul_strings_free(&names);
}

static void links_are_followed_and_loops_are_not(void **state) {
    (void)state;
    put_files(FILES("p/sub/a.jpg", "other/b.jpg"));
    assert_int_equal(symlink("..", "p/sub/up"), 0);
    assert_int_equal(symlink(".", "p/here"), 0);
    assert_int_equal(symlink("../other", "p/link"), 0);
    assert_int_equal(symlink("../other/b.jpg", "p/c.jpg"), 0);
    assert_listed(ARGUMENTS("p"), NULL, FILES("p/c.jpg", "p/link/b.jpg", "p/sub/a.jpg"),
                  FILES("c.jpg", "link/b.jpg", "sub/a.jpg"));
}

static void files_named_directly_are_kept_in_order(void **state) {
    (void)state;
    put_files(FILES("p/z.jpg", "p/a.data", "p/.hidden.jpg", "q/m.jpg"));
    assert_listed(ARGUMENTS("p/z.jpg", "q", "p/a.data", "p/.hidden.jpg"), NULL,
                  FILES("p/z.jpg", "q/m.jpg", "p/a.data", "p/.hidden.jpg"),
                  FILES("p/z.jpg", "m.jpg", "p/a.data", "p/.hidden.jpg"));
}

static void lists_are_relative_to_the_root_and_keep_their_names(void **state) {
    (void)state;
    put_files(FILES("voc/images/000005.jpg", "voc/images/000007.jpg"));
    const char text[] = "images/000007.jpg\r\n\nimages/000005.jpg";
    put_text("train.txt", text, sizeof text - 1);
    assert_listed(ARGUMENTS("@train.txt"), &(cdul_list_options){.root = "voc"},
                  FILES("voc/images/000007.jpg", "voc/images/000005.jpg"),
                  FILES("images/000007.jpg", "images/000005.jpg"));
    assert_int_equal(chdir("voc"), 0);
    assert_listed(ARGUMENTS("@../train.txt"), NULL, FILES("images/000007.jpg", "images/000005.jpg"),
                  FILES("images/000007.jpg", "images/000005.jpg"));
    assert_int_equal(chdir(".."), 0);
}

static void names_may_hold_any_byte_in_nul_separated_lists(void **state) {
    (void)state;
    put_files(FILES("a\nb.jpg", "c \"d\".jpg", "\xff\xfe.jpg", "-", "@e.jpg"));
    const char text[] = "a\nb.jpg\0c \"d\".jpg\0\xff\xfe.jpg\0-\0@e.jpg";
    put_text("list", text, sizeof text);
    assert_listed(ARGUMENTS("@list"), &(cdul_list_options){.nul_separated = true},
                  FILES("a\nb.jpg", "c \"d\".jpg", "\xff\xfe.jpg", "./-", "@e.jpg"),
                  FILES("a\nb.jpg", "c \"d\".jpg", "\xff\xfe.jpg", "-", "@e.jpg"));
}

static void newlines_in_names_of_folders_are_kept(void **state) {
    (void)state;
    put_files(FILES("p/a\nb.jpg"));
    assert_listed(ARGUMENTS("p"), NULL, FILES("p/a\nb.jpg"), FILES("a\nb.jpg"));
}

static void a_byte_order_mark_is_no_part_of_the_first_name(void **state) {
    (void)state;
    put_files(FILES("a.jpg"));
    put_text("list",
             "\xef\xbb\xbf"
             "a.jpg\n",
             9);
    assert_listed(ARGUMENTS("@list"), NULL, FILES("a.jpg"), FILES("a.jpg"));
}

static void missing_paths_are_named(void **state) {
    (void)state;
    put_files(FILES("a.jpg"));
    put_text("list", "a.jpg\ngone.jpg\n", 15);
    put_text("folders", ".\n", 2);
    assert_refused(ARGUMENTS("a.jpg", "no.jpg"), NULL, CDUL_ERR_IO, "no.jpg: No such file");
    assert_refused(ARGUMENTS("@no-list"), NULL, CDUL_ERR_IO, "no-list");
    assert_refused(ARGUMENTS("@list"), NULL, CDUL_ERR_IO, "list: entry 2: gone.jpg: No such file");
    assert_refused(ARGUMENTS("@folders"), NULL, CDUL_ERR_INPUT, "lists name files");
}

static void a_list_with_nul_bytes_asks_for_the_option(void **state) {
    (void)state;
    put_files(FILES("a.jpg", "b.jpg"));
    put_text("list", "a.jpg\0b.jpg", 12);
    assert_refused(ARGUMENTS("@list"), NULL, CDUL_ERR_INPUT, "NUL");
}

static void nothing_found_is_an_error(void **state) {
    (void)state;
    put_files(FILES("p/notes.txt"));
    put_text("list", "\n\n", 2);
    assert_refused(ARGUMENTS("p"), NULL, CDUL_ERR_INPUT, "p: no images");
    assert_refused(ARGUMENTS("@list"), NULL, CDUL_ERR_INPUT, "no images");
    assert_refused(NULL, 0, NULL, CDUL_ERR_INPUT, "no arguments");
}

static void two_files_of_one_name_are_named_both(void **state) {
    (void)state;
    put_files(FILES("p/a.jpg", "q/a.jpg", "q/b.jpg"));
    assert_refused(ARGUMENTS("p", "q"), NULL, CDUL_ERR_INPUT, "name a.jpg (p/a.jpg and q/a.jpg)");
    assert_refused(ARGUMENTS("q/b.jpg", "q/b.jpg"), NULL, CDUL_ERR_INPUT, "name q/b.jpg");
}

static void an_unreadable_folder_is_an_error(void **state) {
    (void)state;
    put_files(FILES("p/a.jpg", "p/locked/b.jpg"));
    if (geteuid() == 0) skip(); /* root reads everything */
    assert_int_equal(chmod("p/locked", 0), 0);
    assert_refused(ARGUMENTS("p"), NULL, CDUL_ERR_IO, "p/locked: cannot read folder");
    assert_int_equal(chmod("p/locked", 0700), 0);
}

#define LIST_TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void) {
    const struct CMUnitTest tests[] = {
        LIST_TEST(folders_are_searched_and_sorted_by_bytes),
        LIST_TEST(a_slash_after_the_folder_changes_nothing_in_the_names),
        LIST_TEST(hidden_and_other_files_are_left_out),
        LIST_TEST(every_extension_that_can_be_read_is_found),
        LIST_TEST(links_are_followed_and_loops_are_not),
        LIST_TEST(files_named_directly_are_kept_in_order),
        LIST_TEST(lists_are_relative_to_the_root_and_keep_their_names),
        LIST_TEST(names_may_hold_any_byte_in_nul_separated_lists),
        LIST_TEST(newlines_in_names_of_folders_are_kept),
        LIST_TEST(a_byte_order_mark_is_no_part_of_the_first_name),
        LIST_TEST(missing_paths_are_named),
        LIST_TEST(a_list_with_nul_bytes_asks_for_the_option),
        LIST_TEST(nothing_found_is_an_error),
        LIST_TEST(two_files_of_one_name_are_named_both),
        LIST_TEST(an_unreadable_folder_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
