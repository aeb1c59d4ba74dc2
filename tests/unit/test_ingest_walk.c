/*
 * test_ingest_walk.c - a folder is read the same way everywhere, nothing
 * outside of it is read, and whatever lies in it, the walk goes on.
 */
#include "tests/unit/test_ingest_collect.h"

#include "base/file.h"

#include <ftw.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char top[256];
static size_t files_found;

static const char *at(const char *rel) {
    static char path[8][1024];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[turn], "%s/%s", top, rel);
    return path[turn];
}

static void put(const char *rel, const char *text) {
    FILE *f = fopen(at(rel), "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static collected *walk(const char *rel, const rag_ingest_options *opt,
                       int want) {
    collected *c = calloc(1, sizeof *c);
    assert_non_null(c);
    rag_error err = {0};
    int rc = rag_ingest_read(at(rel), opt, NULL, collect_document,
                             collect_problem, c, &err);
    if (rc != want)
        fail_msg("%d: %s", rc, err.message);
    return c;
}

static int make_top(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(top, sizeof top, "%s/rag-walk-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(top))
        return -1;
    return mkdir(at("root"), 0755);
}

static int drop(const char *path, const struct stat *st, int type,
                struct FTW *f) {
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static int drop_top(void **state) {
    (void)state;
    return nftw(top, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static void names_in_byte_order_ids_are_whole_paths(void **state) {
    (void)state;
    mkdir(at("root/b"), 0755);
    put("root/c.txt", "c");
    put("root/B.txt", "B");
    put("root/b/x.txt", "x");
    put("root/가.txt", "가");
    put("root/.hidden.txt", "hidden");
    collected *c = walk("root", NULL, 0);
    assert_int_equal(c->nproblems, 0);
    static const char *const IDS[] = {"B.txt", "b/x.txt", "c.txt", "가.txt"};
    assert_int_equal(c->ndocs, 4);
    char *real = realpath(at("root"), NULL);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(strncmp(c->docs[i].id, real, strlen(real)), 0);
        assert_string_equal(c->docs[i].id + strlen(real) + 1, IDS[i]);
    }
    assert_string_equal(c->docs[0].root, real);
    assert_int_equal(strncmp(c->docs[1].source, real, strlen(real)), 0);
    free(real);
    collect_free(c);

    rag_ingest_options opt = {.hidden = true, .collection = "hr"};
    c = walk("root", &opt, 0);
    assert_int_equal(c->ndocs, 5);
    assert_string_equal(c->docs[0].collection, "hr");
    collect_free(c);
}

static void a_file_is_a_root_too(void **state) {
    (void)state;
    put("root/one.md", "# One\n");
    collected *c = walk("root/one.md", NULL, 0);
    assert_int_equal(c->ndocs, 1);
    assert_string_equal(c->docs[0].id, c->docs[0].source);
    assert_string_equal(c->docs[0].root, c->docs[0].source);
    collect_free(c);
}

static void what_cannot_be_read_is_reported(void **state) {
    (void)state;
    static const char *const NAMES[] = {"root/socket",    "root/pipe",
                                        "root/empty.txt", "root/bin.dat",
                                        "root/big.txt",   "root/\xFF.txt"};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    /* The folder's path may be too long for a socket's. */
    snprintf(a.sun_path, sizeof a.sun_path, "rag-walk-%d", (int)getpid());
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof a), 0);
    if (rename(a.sun_path, at(NAMES[0])) != 0) { /* another file system */
        unlink(a.sun_path);
        assert_int_equal(mkfifo(at(NAMES[0]), 0600), 0);
    }
    close(s);
    assert_int_equal(mkfifo(at(NAMES[1]), 0600), 0);
    put(NAMES[2], "");
    FILE *f = fopen(at(NAMES[3]), "w");
    fwrite("\0\1\2\3\0\0", 1, 6, f);
    fclose(f);
    put(NAMES[4], "0123456789012345678901234567890");
    put(NAMES[5], "name");
    put("root/good.txt", "good");
    rag_ingest_options opt = {.file_max = 20};
    collected *c = walk("root", &opt, 0);
    assert_int_equal(c->nproblems, 6);
    bool good = false;
    for (size_t i = 0; i < c->ndocs; i++)
        good |= rag_str_ends(c->docs[i].id, "/good.txt");
    assert_true(good);
    for (size_t i = 0; i < 6; i++) {
        assert_true(c->problems[i].reason[0] != 0);
        assert_int_equal(c->problems[i].line, 0);
        if (strstr(c->problems[i].path, "big.txt"))
            assert_int_equal(c->problems[i].code, RAG_E_LIMIT);
        if (strstr(c->problems[i].path, "pipe"))
            assert_int_equal(c->problems[i].code, RAG_E_UNSUPPORTED);
    }
    collect_free(c);
    for (size_t i = 0; i < 6; i++)
        unlink(at(NAMES[i]));
}

static void links_do_not_lead_out(void **state) {
    (void)state;
    put("secret.txt", "outside");
    mkdir(at("other"), 0755);
    put("other/o.txt", "outside too");
    put("root/in.txt", "inside");
    assert_int_equal(symlink(at("secret.txt"), at("root/link1.txt")), 0);
    assert_int_equal(symlink("../other", at("root/link2")), 0);
    assert_int_equal(symlink("nowhere", at("root/link3")), 0);
    assert_int_equal(symlink("in.txt", at("root/link4.txt")), 0);
    assert_int_equal(symlink(".", at("root/link5")), 0);
    collected *c = walk("root", NULL, 0);
    for (size_t i = 0; i < c->ndocs; i++)
        assert_null(strstr(c->docs[i].text, "outside"));
    assert_int_equal(c->nproblems,
                     3); /* those inside are read where they lie */
    size_t inside = 0;
    for (size_t i = 0; i < c->ndocs; i++)
        inside += !strcmp(c->docs[i].text, "inside");
    assert_int_equal(inside, 1);
    collect_free(c);
    for (int i = 1; i <= 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "root/link%d%s", i,
                 i == 1 || i == 4 ? ".txt" : "");
        unlink(at(name));
    }
    /* A root that is a link itself was meant. */
    assert_int_equal(symlink("root", at("alias")), 0);
    c = walk("alias", NULL, 0);
    assert_true(c->ndocs > 0);
    collect_free(c);
}

static void unreadable_folder_is_reported(void **state) {
    (void)state;
    if (geteuid() == 0) {
        print_message("root reads everything: skipped\n");
        skip();
    }
    mkdir(at("root/locked"), 0);
    collected *c = walk("root", NULL, 0);
    assert_int_equal(c->nproblems, 1);
    assert_int_equal(c->problems[0].code, RAG_E_PERMISSION);
    collect_free(c);
    rmdir(at("root/locked"));
}

static void depth_has_a_limit(void **state) {
    (void)state;
    char rel[1024] = "root";
    for (int i = 0; i < RAG_INGEST_DEPTH_MAX + 2; i++) {
        strncat(rel, "/d", sizeof rel - strlen(rel) - 1);
        assert_int_equal(mkdir(at(rel), 0755), 0);
    }
    collected *c = walk("root", NULL, 0);
    assert_int_equal(c->nproblems, 1);
    assert_int_equal(c->problems[0].code, RAG_E_LIMIT);
    collect_free(c);
}

static void no_such_path_is_an_error(void **state) {
    (void)state;
    collect_free(walk("nothing-here", NULL, RAG_E_NOINPUT));
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    collect_free(walk("fifo", NULL, RAG_E_NOINPUT));
}

static void a_callback_can_stop_the_walk(void **state) {
    (void)state;
    collected *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->stop_after = 1;
    assert_int_equal(rag_ingest_read(at("root"), NULL, NULL, collect_document,
                                     collect_problem, c, NULL),
                     RAG_E_CANCELLED);
    assert_int_equal(c->ndocs, 1);
    collect_free(c);
}

/* Files of many formats by other people, where they are at hand: each gives a
 * document or a reason. */
static int count_document(void *user, rag_document *doc) {
    assert_true(doc->text_len > 0);
    ++*(size_t *)user;
    return 0;
}

static void count_problem(void *user, const char *path, size_t line,
                          rag_code code, const char *reason) {
    (void)path;
    assert_true(code != RAG_OK && reason[0]);
    *(size_t *)user += line == 0;
}

static int count_file(const char *path, const struct stat *st, int type,
                      struct FTW *f) {
    (void)path, (void)st, (void)f;
    files_found += type == FTW_F;
    return 0;
}

static void foreign_files_are_read_or_refused(void **state) {
    (void)state;
    static const char FILES[] = RAG_SOURCE_DIR "/../shared/data/parsers";
    if (access(FILES, R_OK) != 0) {
        print_message("no %s: skipped\n", FILES);
        skip();
    }
    size_t accounted = 0;
    assert_int_equal(nftw(FILES, count_file, 16, FTW_PHYS), 0);
    assert_int_equal(rag_ingest_read(FILES, NULL, NULL, count_document,
                                     count_problem, &accounted, NULL),
                     0);
    assert_true(files_found > 0);
    assert_int_equal(accounted, files_found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_byte_order_ids_are_whole_paths),
        cmocka_unit_test(a_file_is_a_root_too),
        cmocka_unit_test(what_cannot_be_read_is_reported),
        cmocka_unit_test(links_do_not_lead_out),
        cmocka_unit_test(unreadable_folder_is_reported),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(no_such_path_is_an_error),
        cmocka_unit_test(a_callback_can_stop_the_walk),
        cmocka_unit_test(foreign_files_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, make_top, drop_top);
}
