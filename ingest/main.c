/*
 * main.c - rag-ingest: puts documents into the store.
 *
 * Reads the command line, opens encoder and store, runs the pipeline over
 * each path, with --expand lets the generator write questions for what is
 * stored then, and says what came of it: problems on stderr as they are met,
 * the summary (or one JSON object) on stdout.
 */
#include "ingest/main_expand.h"
#include "ingest/main_pipeline.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define INGEST_NICE 10

#ifndef RAG_VERSION
#define RAG_VERSION "unknown"
#endif
#ifndef RAG_ENCODER_FILE
#define RAG_ENCODER_FILE "models/encoder.gguf"
#endif

#define PROBLEMS_KEPT 1000 /* in the JSON summary */
#define PROBLEMS_SHOWN 200 /* on stderr */

static volatile sig_atomic_t signal_seen;

static void on_signal(int number) {
    signal_seen = number; /* a second one ends us at once (SA_RESETHAND) */
}

typedef struct settings {
    const char *data, *model, *adapter, *url, *encoder_model, *remove;
    long threads;
    const char *generator, *generator_url, *generator_model;
    bool rebuild, json, quiet, expand;
    rag_pipeline_options pipeline;
} settings;

typedef struct results {
    rag_pipeline_counts read;
    rag_expand_counts expand;
    bool missing; /* a path could not be read at all */
    bool stored; /* what was read is; then the questions */
} results;

typedef struct report {
    settings *set;
    json_t *problems; /* array, NULL without --json */
    size_t shown, kept;
} report;

static const char USAGE[] =
    "usage: rag-ingest [options] PATH...\n"
    "       rag-ingest [options] --remove ID\n"
    "Reads text, Markdown, HTML, FAQ CSV and JSONL files, and folders of "
    "them,\ninto the store. See rag-ingest(1).\n"
    "  --data DIR           the store's folder\n"
    "  --collection NAME    put the documents into this collection\n"
    "  --model FILE.gguf    encoder model\n"
    "  --adapter FILE.gguf  LoRA adapter for it; \"\" for none (default: "
    "ours,\n"
    "                       for the default model)\n"
    "  --encoder-url URL    use an OpenAI-compatible /v1 endpoint instead\n"
    "  --encoder-model NAME its model's name\n"
    "  --expand             let the generator write questions for each chunk:"
    "\n                       they help to find it (about 2 s a chunk)\n"
    "  --generator FILE.gguf  generative model for --expand\n"
    "  --generator-url URL  use an OpenAI-compatible /v1 endpoint for "
    "--expand\n"
    "  --generator-model NAME its model's name\n"
    "  --force              remove what is gone, however much it is\n"
    "  --rebuild            read and encode everything again\n"
    "  --remove ID          remove one document\n"
    "  --hidden             read names that begin with a dot too\n"
    "  --threads N          cores to use (default: all)\n"
    "  --json               summary as one JSON object\n"
    "  -q, --quiet          no progress bar, no summary\n"
    "  -V, --version        -h, --help\n";

/* ---- saying things ---------------------------------------------------------- */

/* s on stderr, with control characters (and what could move a terminal's
 * cursor) as \xNN. */
static void print_escaped(const char *s) {
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool c1 = c == 0xC2 && (unsigned char)s[1] >= 0x80 &&
                  (unsigned char)s[1] < 0xA0;
        if (c < 0x20 || c == 0x7F || c1) {
            fprintf(stderr, "\\x%02X", c1 ? (unsigned char)s[1] : c);
            s += c1;
        } else {
            fputc(c, stderr);
        }
    }
}

static void complain(const char *message) {
    fputs("rag-ingest: ", stderr);
    print_escaped(message);
    fputc('\n', stderr);
}

/* Invalid UTF-8 in a path must not cost the report. */
static json_t *json_text(const char *s) {
    json_t *v = json_string(s);
    return v ? v : json_string("(not valid UTF-8)");
}

static void on_problem(void *user, const char *path, size_t line, rag_code code,
                       const char *reason) {
    report *r = user;
    if (r->shown++ < PROBLEMS_SHOWN) {
        fputs("rag-ingest: ", stderr);
        print_escaped(path);
        if (line)
            fprintf(stderr, ":%zu", line);
        fputs(": ", stderr);
        print_escaped(reason);
        fputc('\n', stderr);
    } else if (r->shown == PROBLEMS_SHOWN + 1) {
        complain("there are more problems; they are only counted");
    }
    if (!r->problems || r->kept++ >= PROBLEMS_KEPT)
        return;
    json_t *o = json_object();
    json_object_set_new(o, "path", json_text(path));
    json_object_set_new(o, "line",
                        line ? json_integer((json_int_t)line) : json_null());
    json_object_set_new(o, "code", json_string(rag_code_name(code)));
    json_object_set_new(o, "reason", json_text(reason));
    json_array_append_new(r->problems, o);
}

/* 1234567 as "1,234,567". */
static const char *grouped(size_t n, char out[32]) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%zu", n), k = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[k++] = ',';
        out[k++] = digits[i];
    }
    out[k] = '\0';
    return out;
}

static void print_expansion(const rag_expand_counts *n) {
    char a[32], b[32], c[32];
    size_t left = 0;
    for (int i = RAG_QUESTION_TAKEN + 1; i < RAG_QUESTION_FAULTS; i++)
        left += n->faults[i];
    printf("%s questions for %s chunk%s in %.1f s", grouped(n->questions, a),
           grouped(n->written, b), n->written == 1 ? "" : "s", n->seconds);
    if (left)
        printf(" (%s not taken)", grouped(left, c));
    printf("; %s chunk%s had theirs from before\n", grouped(n->kept, a),
           n->kept == 1 ? "" : "s");
}

static void print_summary(const rag_pipeline_counts *n, double seconds) {
    char a[32], b[32], c[32];
    size_t all = n->added + n->changed + n->unchanged + n->moved;
    printf("ingested %s document%s (%zu new, %zu changed, %zu unchanged, %zu "
           "removed, %zu moved), %s chunk%s, %s tokens in %.1f s",
           grouped(all, a), all == 1 ? "" : "s", n->added, n->changed,
           n->unchanged, n->removed, n->moved, grouped(n->chunks, b),
           n->chunks == 1 ? "" : "s", grouped(n->tokens, c), seconds);
    if (n->problems)
        printf("; %s problem%s", grouped(n->problems, a),
               n->problems == 1 ? "" : "s");
    putchar('\n');
}

/* "expand" of the summary; NULL without memory. */
static json_t *expansion_json(const rag_expand_counts *n) {
    static const char *const FAULTS[RAG_QUESTION_FAULTS] = {
        [RAG_QUESTION_SHORT] = "short",
        [RAG_QUESTION_LONG] = "long",
        [RAG_QUESTION_NOT_ASKED] = "not_asked",
        [RAG_QUESTION_ECHO] = "echo",
        [RAG_QUESTION_COPY] = "copy",
        [RAG_QUESTION_FOREIGN] = "foreign",
        [RAG_QUESTION_NUMBER] = "number",
        [RAG_QUESTION_UNRELATED] = "unrelated",
        [RAG_QUESTION_TWIN] = "twin",
        [RAG_QUESTION_SURPLUS] = "surplus"};
    json_t *not = json_object();
    for (int i = RAG_QUESTION_TAKEN + 1; i < RAG_QUESTION_FAULTS; i++)
        json_object_set_new(not, FAULTS[i],
                            json_integer((json_int_t)n->faults[i]));
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:f, s:o}", "chunks", (json_int_t)n->chunks,
        "written", (json_int_t)n->written, "kept", (json_int_t)n->kept,
        "questions", (json_int_t)n->questions, "documents",
        (json_int_t)n->documents, "seconds", n->seconds, "not_taken", not );
}

static int print_json(const report *r, const results *res,
                      const rag_error *fatal, double seconds, rag_error *err) {
    const rag_pipeline_counts *n = &res->read;
    json_t *o = json_object();
    const struct {
        const char *key;
        size_t value;
    } COUNTS[] = {
        {"documents", n->added + n->changed + n->unchanged + n->moved},
        {"new", n->added},
        {"changed", n->changed},
        {"unchanged", n->unchanged},
        {"moved", n->moved},
        {"removed", n->removed},
        {"chunks", n->chunks},
        {"vectors", n->vectors},
        {"tokens", n->tokens},
        {"truncated", n->truncated},
        {"problem_count", n->problems},
    };
    for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++)
        json_object_set_new(o, COUNTS[i].key,
                            json_integer((json_int_t)COUNTS[i].value));
    json_object_set_new(o, "seconds", json_real(seconds));
    json_object_set(o, "problems", r->problems);
    if (r->set->expand)
        json_object_set_new(o, "expand", expansion_json(&res->expand));
    if (fatal->code) {
        json_t *e = json_object();
        json_object_set_new(e, "code", json_string(rag_code_name(fatal->code)));
        json_object_set_new(e, "message", json_text(fatal->message));
        json_object_set_new(o, "error", e);
    }
    rag_buf b;
    rag_buf_init(&b, 0);
    int rc = rag_json_dump(o, &b, err);
    if (!rc)
        puts(rag_buf_str(&b));
    rag_buf_free(&b);
    json_decref(o);
    return rc;
}

/* ---- the command line -------------------------------------------------------- */

enum {
    OPT_DATA = 256,
    OPT_COLLECTION,
    OPT_MODEL,
    OPT_ADAPTER,
    OPT_URL,
    OPT_ENCODER_MODEL,
    OPT_EXPAND,
    OPT_GENERATOR,
    OPT_GENERATOR_URL,
    OPT_GENERATOR_MODEL,
    OPT_FORCE,
    OPT_REBUILD,
    OPT_REMOVE,
    OPT_HIDDEN,
    OPT_THREADS,
    OPT_JSON
};

/* Fills set; an exit status to end with at once, or -1 to go on. */
static int read_options(int argc, char **argv, settings *set) {
    static const struct option LONG[] = {
        {"data", required_argument, NULL, OPT_DATA},
        {"collection", required_argument, NULL, OPT_COLLECTION},
        {"model", required_argument, NULL, OPT_MODEL},
        {"adapter", required_argument, NULL, OPT_ADAPTER},
        {"encoder-url", required_argument, NULL, OPT_URL},
        {"encoder-model", required_argument, NULL, OPT_ENCODER_MODEL},
        {"expand", no_argument, NULL, OPT_EXPAND},
        {"generator", required_argument, NULL, OPT_GENERATOR},
        {"generator-url", required_argument, NULL, OPT_GENERATOR_URL},
        {"generator-model", required_argument, NULL, OPT_GENERATOR_MODEL},
        {"force", no_argument, NULL, OPT_FORCE},
        {"rebuild", no_argument, NULL, OPT_REBUILD},
        {"remove", required_argument, NULL, OPT_REMOVE},
        {"hidden", no_argument, NULL, OPT_HIDDEN},
        {"threads", required_argument, NULL, OPT_THREADS},
        {"json", no_argument, NULL, OPT_JSON},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "qhV", LONG, NULL)) != -1) {
        switch (c) {
        case OPT_DATA:
            set->data = optarg;
            break;
        case OPT_COLLECTION:
            set->pipeline.ingest.collection = optarg;
            break;
        case OPT_MODEL:
            set->model = optarg;
            break;
        case OPT_ADAPTER:
            set->adapter = optarg;
            break;
        case OPT_URL:
            set->url = optarg;
            break;
        case OPT_ENCODER_MODEL:
            set->encoder_model = optarg;
            break;
        case OPT_EXPAND:
            set->expand = true;
            break;
        case OPT_GENERATOR:
            set->generator = optarg;
            break;
        case OPT_GENERATOR_URL:
            set->generator_url = optarg;
            break;
        case OPT_GENERATOR_MODEL:
            set->generator_model = optarg;
            break;
        case OPT_FORCE:
            set->pipeline.force = true;
            break;
        case OPT_REBUILD:
            set->rebuild = true;
            break;
        case OPT_REMOVE:
            set->remove = optarg;
            break;
        case OPT_HIDDEN:
            set->pipeline.ingest.hidden = true;
            break;
        case OPT_THREADS:
            if (rag_str_to_long(optarg, 1, 1024, &set->threads, NULL)) {
                complain("--threads takes a number from 1 to 1024");
                return 64;
            }
            break;
        case OPT_JSON:
            set->json = true;
            break;
        case 'q':
            set->quiet = true;
            break;
        case 'h':
            fputs(USAGE, stdout);
            return 0;
        case 'V':
            puts("rag-ingest " RAG_VERSION);
            return 0;
        default:
            fputs(USAGE, stderr);
            return 64;
        }
    }
    if (set->remove ? optind < argc : optind == argc) {
        fputs(USAGE, stderr);
        return 64;
    }
    if (set->url && (set->model || set->adapter || !set->encoder_model)) {
        complain("--encoder-url goes with --encoder-model, and not with "
                 "--model or --adapter");
        return 64;
    }
    if (set->generator_url ? set->generator || !set->generator_model
                           : set->generator_model != NULL) {
        complain("--generator-url goes with --generator-model, and not with "
                 "--generator");
        return 64;
    }
    if ((set->generator || set->generator_url || set->remove) &&
        set->expand != !set->remove) {
        complain(set->expand ? "--expand does not go with --remove"
                             : "--generator and --generator-url are for "
                               "--expand");
        return 64;
    }
    return -1;
}

/* ---- parts --------------------------------------------------------------------- */

static int default_model(char **out, rag_error *err) {
    char *cache = NULL;
    int rc = rag_path_place(RAG_PLACE_CACHE, &cache, err);
    if (!rc)
        rc = rag_path_join(cache, RAG_ENCODER_FILE, out, err);
    free(cache);
    if (!rc && !rag_file_exists(*out))
        rc = rag_error_set(err, RAG_E_UNAVAILABLE,
                           "there is no encoder model at %s: run ./setup, or "
                           "name one with --model",
                           *out);
    return rc;
}

/* Ours belongs to the default model, as in ragd: "" for another. */
static int default_adapter(const settings *set, char **out, rag_error *err) {
    char exe[PATH_MAX];
    return set->model ? rag_str_dup("", out, err)
                      : rag_path_own(rag_path_program(exe, sizeof exe),
                                     RAG_SOURCE_DIR "/embed/models",
                                     RAG_ENCODER_ADAPTER_FILE, out, err);
}

static int open_encoder_named(const settings *set, rag_encoder **out,
                              rag_error *err) {
    if (set->url) {
        rag_encoder_remote remote = {.url = set->url,
                                     .model = set->encoder_model,
                                     .api_key = getenv("RAGD_ENCODER_KEY")};
        return rag_encoder_open_remote(&remote, out, err);
    }
    char *model = NULL, *adapter = NULL;
    int rc = set->model ? 0 : default_model(&model, err);
    if (!rc && !set->adapter)
        rc = default_adapter(set, &adapter, err);
    if (!rc) {
        const char *lora = set->adapter ? set->adapter : adapter;
        rag_encoder_options opt = {.threads = (int)set->threads,
                                   .adapter = *lora ? lora : NULL};
        rc = rag_encoder_open(set->model ? set->model : model, &opt, out, err);
    }
    free(adapter);
    free(model);
    return rc;
}

/* A model that is not there is no missing document. */
static int open_encoder(const settings *set, rag_encoder **out,
                        rag_error *err) {
    int rc = open_encoder_named(set, out, err);
    if (rc == RAG_E_NOINPUT || rc == RAG_E_NOTFOUND)
        rc = err->code = RAG_E_UNAVAILABLE;
    return rc;
}

static int open_writer(const settings *set, const rag_encoder *encoder,
                       rag_index_writer **out, rag_error *err) {
    rag_encoder_info info;
    rag_encoder_describe(encoder, &info);
    rag_index_fingerprint fp = {.dim = info.dim,
                                .encoder = info.fingerprint,
                                .model = info.name,
                                .chunker = RAG_INGEST_VERSION};
    char *place = NULL;
    const char *dir = set->data;
    int rc = RAG_OK;
    if (!dir) {
        rc = rag_path_place(RAG_PLACE_DATA, &place, err);
        dir = place;
    }
    if (!rc)
        rc = rag_index_writer_open(dir, &fp, set->rebuild, out, err);
    free(place);
    return rc;
}

static void catch_signals(void) {
    struct sigaction a = {.sa_handler = on_signal,
                          .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGHUP, &a, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- the work -------------------------------------------------------------------- */

static int remove_one(const settings *set, rag_index_writer *w,
                      rag_error *err) {
    int rc = rag_index_writer_remove(w, set->remove, err);
    char *path = NULL, *here = NULL;
    /* A file's id is its whole path; people name it from where they are. */
    if (rc == RAG_E_NOTFOUND && *set->remove != '/' &&
        (here = getcwd(NULL, 0)) &&
        !rag_path_join(here, set->remove, &path, NULL) &&
        !rag_index_writer_remove(w, path, NULL))
        rc = 0;
    free(here);
    free(path);
    if (!rc)
        rc = rag_index_writer_commit(w, err);
    return rc;
}

/* Every path in turn; *missing tells that one could not be read at all. */
static int ingest_paths(rag_pipeline *p, char **paths, int n, report *r,
                        bool *missing, rag_error *err) {
    for (int i = 0; i < n; i++) {
        rag_error why = {0};
        int rc = rag_pipeline_root(p, paths[i], &why);
        if (rc == RAG_E_NOINPUT || rc == RAG_E_PERMISSION) {
            *missing = true;
            /* The message names the path, and so does the report. */
            size_t len = strlen(paths[i]);
            bool twice = rag_str_starts(why.message, paths[i]) &&
                         rag_str_starts(why.message + len, ": ");
            on_problem(r, paths[i], 0, why.code,
                       why.message + (twice ? len + 2 : 0));
        } else if (rc) {
            return rag_error_set(err, why.code, "%s", why.message);
        }
    }
    return RAG_OK;
}

static int expand(const settings *set, rag_index_writer *w, rag_encoder *e,
                  rag_expand_counts *out, rag_error *err) {
    rag_expand_options opt = {.writer = w,
                              .encoder = e,
                              .model = set->generator,
                              .url = set->generator_url,
                              .name = set->generator_model,
                              .api_key = getenv("RAGD_GENERATOR_KEY"),
                              .threads = (int)set->threads,
                              .quiet = set->quiet,
                              .stop = &signal_seen};
    int rc = rag_expand_run(&opt, out, err);
    if (rc && rc != RAG_E_CANCELLED)
        rag_error_prefix(err, "the documents are stored, but not all questions "
                              "were written; run it again to go on");
    return rc;
}

static int run(settings *set, char **paths, int npaths, report *r, results *res,
               rag_error *err) {
    rag_sentences *sentences = NULL;
    rag_encoder *encoder = NULL;
    rag_index_writer *writer = NULL;
    rag_pipeline *pipeline = NULL;
    int rc = rag_sentences_open(&sentences, err);
    if (!rc)
        rc = open_encoder(set, &encoder, err);
    if (!rc)
        rc = open_writer(set, encoder, &writer, err);
    if (!rc && set->remove) {
        rc = remove_one(set, writer, err);
        res->read.removed = rc == RAG_OK;
        goto out;
    }
    if (rc)
        goto out;
    set->pipeline.writer = writer;
    set->pipeline.encoder = encoder;
    set->pipeline.sentences = sentences;
    set->pipeline.quiet = set->quiet;
    set->pipeline.stop = &signal_seen;
    set->pipeline.on_problem = on_problem;
    set->pipeline.user = r;
    if ((rc = rag_pipeline_open(&set->pipeline, &pipeline, err)))
        goto out;
    rc = ingest_paths(pipeline, paths, npaths, r, &res->missing, err);
    rag_pipeline_describe(pipeline, &res->read);
    rag_pipeline_close(pipeline); /* its bar, too */
    pipeline = NULL;
    res->stored = rc == RAG_OK;
    if (!rc && set->expand)
        rc = expand(set, writer, encoder, &res->expand, err);
out:
    rag_pipeline_close(pipeline);
    rag_index_writer_close(writer); /* rolls back what is not committed */
    rag_encoder_close(encoder);
    rag_sentences_close(sentences);
    return rc;
}

/* Exit status of a failure: what is wrong with the store or the model means
 * "not available", so that scripts can tell it from bad documents. */
static int status_of(int rc) {
    switch (rc) {
    case RAG_OK:
        return 0;
    case RAG_E_NOTFOUND:
    case RAG_E_NOINPUT:
        return 66;
    case RAG_E_CANCELLED:
        return 128 + (signal_seen ? (int)signal_seen : SIGINT);
    case RAG_E_NOMEM:
    case RAG_E_INTERNAL:
        return 70;
    case RAG_E_USAGE:
        return 64;
    default:
        return 69;
    }
}

int main(int argc, char **argv) {
    settings set = {0};
    int status = read_options(argc, argv, &set);
    if (status >= 0)
        return status;
    catch_signals();
    /* Whoever is asking ragd at this moment goes first. */
    if (getpriority(PRIO_PROCESS, 0) < INGEST_NICE)
        setpriority(PRIO_PROCESS, 0, INGEST_NICE);
    double began = rag_clock_ms();
    report r = {.set = &set, .problems = set.json ? json_array() : NULL};
    results res = {0};
    rag_error err = {0};
    int rc = run(&set, argv + optind, argc - optind, &r, &res, &err);
    double seconds = (rag_clock_ms() - began) / 1000.0;
    if (rc == RAG_E_CANCELLED)
        complain("stopped; what was committed stays, run it again to go on");
    else if (rc)
        complain(err.message);
    status = status_of(rc);
    if (status == 0 && res.missing)
        status = 66;
    else if (status == 0 && res.read.problems)
        status = 65;
    if (set.json && print_json(&r, &res, &err, seconds, &err) && !status)
        status = 70;
    else if (!set.json && !set.quiet && rc == RAG_OK && set.remove)
        puts("removed 1 document");
    else if (!set.json && !set.quiet && res.stored)
        print_summary(&res.read, seconds - res.expand.seconds);
    if (!set.json && !set.quiet && res.expand.chunks)
        print_expansion(&res.expand);
    json_decref(r.problems);
    if (fflush(stdout) != 0 && status == 0) {
        complain("the summary could not be written");
        status = 74;
    }
    return status;
}
