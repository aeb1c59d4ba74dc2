/*
 * eval_retrieval.c - retrieval measured on labelled questions.
 *
 *   eval_retrieval [--encoder FILE] [--work DIR] [--set NAME=VALUE]
 *                  [--grid NAME=V1,V2,...] [--weight W] [--modes]
 *                  [--dump FILE] [--hits FILE] [--sentences] [--parts]
 *                  [--adapter FILE] SET...
 *
 * SET is a folder with docs.jsonl and queries.jsonl. Documents go through the
 * real reader, chunker, encoder and store; each question through the real
 * search. Prints, a line a set, hit@1, hit@5, hit@10, recall@10, MRR@10 and
 * nDCG@10 over the questions that have relevant documents. --modes adds the
 * two sides alone and fixed weights; --grid repeats it for each value. --parts
 * compares the fused order with the better of its two parts by a paired
 * bootstrap over the questions. --hits is a --dump of JSON lines
 * with all that a second stage could look at (eval_rerank.py). Vectors
 * are kept in DIR (default $TMPDIR/rag-eval) by the hash of what they encode,
 * so that only the first run is slow. Missing sets are skipped, saying so.
 */
#include "embed/embed.h"
#include "index/index_int.h"
#include "ingest/ingest.h"
#include "tests/eval/vectors.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/unicode.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CUT 10

/* ---- documents ------------------------------------------------------------------ */

typedef struct loader {
    cache *c;
    const rag_sentences *sentences;
    rag_document *docs;
    size_t n, cap;
} loader;

static size_t count_tokens(void *user, const char *s, size_t n) {
    return rag_encoder_count(user, s, n);
}

static int on_document(void *user, rag_document *doc) {
    loader *l = user;
    rag_chunk_options opt = {.count = count_tokens, .user = l->c->e};
    rag_error err;

    if (rag_ingest_chunk(doc, &opt, l->sentences, &err) != 0)
        die(&err, "chunking");
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 1024;
        l->docs = need(realloc(l->docs, l->cap * sizeof(*l->docs)));
    }
    l->docs[l->n++] = *doc;
    rag_document_init(doc);
    return 0;
}

static void on_problem(void *user, const char *path, size_t line, rag_code code,
                       const char *reason) {
    (void)user;
    (void)code;
    fprintf(stderr, "%s:%zu: %s\n", path, line, reason);
}

typedef struct texts {
    char **s;
    size_t *len;
    rag_text *t;
    size_t n, cap;
} texts;

static size_t texts_add(texts *x, char *s, size_t len) {
    if (x->n == x->cap) {
        x->cap = x->cap ? 2 * x->cap : 1024;
        x->t = need(realloc(x->t, x->cap * sizeof(*x->t)));
    }
    x->t[x->n] = (rag_text){s, len};
    return x->n++;
}

static size_t add_passage(texts *x, const rag_document *d, size_t i) {
    rag_buf b;
    rag_error err;
    char *s;
    size_t n;

    rag_buf_init(&b, 0);
    if (rag_ingest_passage(d, i, &b, &err) != 0 ||
        rag_buf_steal(&b, &s, &n, &err) != 0)
        die(&err, "passage");
    return texts_add(x, s, n);
}

/* Title and each sentence of a chunk, as further passages. */
static size_t add_sentences(texts *x, const rag_sentences *sentences,
                            const rag_document *d, size_t chunk) {
    const rag_chunk *c = &d->chunks[chunk];
    rag_span *spans;
    size_t n, added = 0;
    rag_error err;

    if (rag_sentences_split(sentences, d->text + c->start, c->end - c->start,
                            &spans, &n, &err) != 0)
        die(&err, "sentences");
    for (size_t i = 0; n > 1 && i < n; i++) {
        rag_buf b;
        char *s;
        size_t len;

        rag_buf_init(&b, 0);
        if (rag_buf_printf(&b, &err, "%s\n%.*s", d->title,
                           (int)(spans[i].end - spans[i].start),
                           d->text + c->start + spans[i].start) != 0 ||
            rag_buf_steal(&b, &s, &len, &err) != 0)
            die(&err, "sentences");
        texts_add(x, s, len);
        added++;
    }
    free(spans);
    return added;
}

static bool with_sentences;
static const char *adapter_path; /* NULL: the encoder as it is */

static void store_documents(loader *l, const char *dir) {
    rag_encoder_info info;
    rag_index_fingerprint fp;
    rag_index_writer *w;
    texts passages = {0}, questions = {0};
    rag_error err;
    size_t p = 0, q = 0, *parts = NULL, nparts = 0, part = 0;

    rag_encoder_describe(l->c->e, &info);
    fp = (rag_index_fingerprint){info.dim, info.fingerprint, info.name,
                                 RAG_INGEST_VERSION};
    for (size_t i = 0; i < l->n; i++) {
        const rag_document *d = &l->docs[i];

        for (size_t j = 0; j < d->nchunks; j++) {
            add_passage(&passages, d, j);
            parts = need(realloc(parts, (nparts + 1) * sizeof(*parts)));
            parts[nparts++] = with_sentences
                                  ? add_sentences(&passages, l->sentences, d, j)
                                  : 0;
        }
        for (size_t j = 0; j < d->nquestions; j++)
            texts_add(&questions, strdup(d->questions[j]),
                      strlen(d->questions[j]));
    }
    cache_fill(l->c, RAG_TEXT_PASSAGE, passages.t, passages.n);
    cache_fill(l->c, RAG_TEXT_QUERY, questions.t, questions.n);
    if (rag_index_writer_open(dir, &fp, false, &w, &err) != 0)
        die(&err, dir);
    for (size_t i = 0; i < l->n; i++) {
        const rag_document *d = &l->docs[i];
        size_t n = 0, room = d->nchunks + d->nquestions + 1;
        rag_vector *v;

        for (size_t j = 0; j < d->nchunks; j++)
            room += parts[part + j];
        v = need(calloc(room, sizeof(*v)));
        for (size_t j = 0; j < d->nchunks; j++, part++)
            for (size_t k = 0; k <= parts[part]; k++, p++)
                v[n++] = (rag_vector){
                    k == 0 ? RAG_VECTOR_CHUNK : RAG_VECTOR_SENTENCE, j, k,
                    vector_of(l->c, RAG_TEXT_PASSAGE, passages.t[p].s,
                              passages.t[p].len)};
        for (size_t j = 0; j < d->nquestions; j++, q++)
            v[n++] =
                (rag_vector){RAG_VECTOR_QUESTION, 0, j,
                             vector_of(l->c, RAG_TEXT_QUERY, questions.t[q].s,
                                       questions.t[q].len)};
        if (rag_index_writer_put(w, d, v, n, &err) != 0)
            die(&err, d->id);
        free(v);
    }
    if (rag_index_writer_commit(w, &err) != 0)
        die(&err, dir);
    rag_index_writer_close(w);
}

/* ---- questions ---------------------------------------------------------------------- */

typedef struct question {
    char *id, *text;
    size_t len;
    char *relevant[16];
    size_t nrelevant;
    const float *v;
} question;

typedef struct set {
    char name[64];
    rag_index *ix;
    question *q;
    size_t n;
} set;

static void load_questions(set *s, const char *path, cache *c) {
    rag_buf file;
    rag_error err;
    char *line;
    texts t = {0};

    rag_buf_init(&file, 0);
    if (rag_file_read(path, RAG_BUF_MAX_DEFAULT, &file, &err) != 0)
        die(&err, path);
    for (line = file.data; line && *line;) {
        char *end = strchr(line, '\n');
        size_t n = end ? (size_t)(end - line) : strlen(line);
        json_t *o;
        const char *text, *id;
        rag_buf clean;

        if (rag_json_parse(line, n, 1 << 20, &o, &err) != 0)
            die(&err, path);
        text = json_string_value(json_object_get(o, "question"));
        id = json_string_value(json_object_get(o, "id"));
        if (text && json_array_size(json_object_get(o, "relevant")) > 0) {
            json_t *r = json_object_get(o, "relevant");
            question *q;

            s->q = need(realloc(s->q, (s->n + 1) * sizeof(*s->q)));
            q = &s->q[s->n++];
            memset(q, 0, sizeof(*q));
            rag_buf_init(&clean, 0);
            if (rag_unicode_clean(text, strlen(text), &clean, &err) != 0 ||
                rag_buf_steal(&clean, &q->text, &q->len, &err) != 0)
                die(&err, path);
            q->id = need(strdup(id ? id : ""));
            for (size_t i = 0; i < json_array_size(r) && i < 16; i++)
                q->relevant[q->nrelevant++] =
                    need(strdup(json_string_value(json_array_get(r, i))));
            texts_add(&t, q->text, q->len);
        }
        json_decref(o);
        line = end ? end + 1 : NULL;
    }
    rag_buf_free(&file);
    cache_fill(c, RAG_TEXT_QUERY, t.t, t.n);
    for (size_t i = 0; i < s->n; i++) {
        s->q[i].v = vector_of(c, RAG_TEXT_QUERY, s->q[i].text, s->q[i].len);
    }
    free(t.t);
}

/* ---- scores ---------------------------------------------------------------------------- */

typedef struct score {
    double hit1, hit5, hit10, recall, mrr, ndcg, ms, weight;
} score;

static bool is_relevant(const question *q, const char *doc) {
    for (size_t i = 0; i < q->nrelevant; i++)
        if (strcmp(q->relevant[i], doc) == 0)
            return true;
    return false;
}

static void add_score(const question *q, const rag_index_result *r, score *s,
                      double *ndcg_out) {
    double dcg = 0, ideal = 0, found = 0, rr = 0;
    size_t rank = 0;

    for (size_t i = 0; i < r->n && rank < CUT; i++) {
        if (i > 0 && r->hits[i].document == r->hits[i - 1].document)
            continue;
        rank++;
        if (!is_relevant(q, r->hits[i].doc))
            continue;
        found++;
        dcg += 1 / log2((double)rank + 1);
        if (rr == 0) {
            rr = 1 / (double)rank;
            s->hit1 += rank <= 1;
            s->hit5 += rank <= 5;
            s->hit10 += rank <= 10;
        }
    }
    for (size_t i = 0; i < q->nrelevant && i < CUT; i++)
        ideal += 1 / log2((double)i + 2);
    s->recall += found / (double)q->nrelevant;
    s->mrr += rr;
    s->ndcg += dcg / ideal;
    s->weight += r->vector_weight;
    *ndcg_out = dcg / ideal;
}

/* ---- what a second stage could look at --------------------------------------------------- */

#define PART_TOKENS 60 /* of a chunk's best part, with its title */

static bool dump_hits; /* --hits: --dump with all that was found */
static cache *vectors;
static const rag_sentences *splitter;

typedef struct marked {
    rag_query_term terms[RAG_QUERY_TERMS_MAX];
    bool there[RAG_QUERY_TERMS_MAX];
    size_t n;
} marked;

static int mark_term(void *user, const rag_term *t) {
    marked *m = user;
    char token[RAG_TOKEN_MAX];
    size_t len = rag_fts_token(t->kind, t->text, t->len, token);

    for (size_t i = 0; i < m->n; i++)
        if (m->terms[i].len == len &&
            memcmp(m->terms[i].token, token, len) == 0)
            m->there[i] = true;
    return 0;
}

/* Share of the question's words, rare ones more, that the texts have. */
static double cover(const set *s, const rag_index_result *r, marked *m,
                    const char *const *text, size_t n) {
    rag_index_stats stats;
    rag_error err;
    double all = 0, there = 0;

    memset(m->there, 0, sizeof(m->there));
    if (rag_index_describe(s->ix, &stats, &err) != 0)
        die(&err, s->name);
    for (size_t i = 0; i < n; i++)
        if (text[i] &&
            rag_terms_each(text[i], strlen(text[i]), mark_term, m, &err) != 0)
            die(&err, s->name);
    for (size_t i = 0; i < m->n; i++) {
        const rag_query_term *t = &m->terms[i];
        double chunks = (double)stats.chunks, w;
        size_t df = 0;

        if (!rag_index_df_get(s->ix, (int64_t)r->generation, t->token, t->len,
                              &df) ||
            df == 0)
            continue;
        w = t->weight * log(1 + (chunks - (double)df + 0.5) / (double)(df + 1));
        all += w;
        there += m->there[i] ? w : 0;
    }
    return all > 0 ? there / all : 0;
}

/*
 * The sentence of the hit whose vector is nearest to the question's, and as
 * many neighbours as fit into the tokens; the nearness, NAN where the chunk
 * is one sentence.
 */
static double best_part(const question *q, const rag_index_hit *h,
                        size_t tokens, rag_span *part) {
    size_t n, at = 0, from, to;
    double best = -2;
    rag_span *spans;
    rag_error err;

    *part = (rag_span){0, strlen(h->text)};
    if (rag_sentences_split(splitter, h->text, part->end, &spans, &n, &err) !=
        0)
        die(&err, q->id);
    for (size_t i = 0; n > 1 && i < n; i++) {
        rag_buf b;
        const float *v;
        double sum = 0;

        rag_buf_init(&b, 0);
        if (rag_buf_printf(&b, &err, "%s\n%.*s", h->title,
                           (int)(spans[i].end - spans[i].start),
                           h->text + spans[i].start) != 0)
            die(&err, q->id);
        v = cache_find(vectors, key_of(RAG_TEXT_PASSAGE, b.data, b.len));
        for (int j = 0; v && j < vectors->dim; j++)
            sum += (double)v[j] * (double)q->v[j];
        if (v && sum > best) {
            best = sum;
            at = i;
        }
        rag_buf_free(&b);
    }
    from = to = at;
    while (best > -2) {
        bool next = to + 1 < n && (to - at <= at - from || from == 0);
        size_t a = next || from == 0 ? from : from - 1, b = next ? to + 1 : to;

        if ((a == from && b == to) ||
            rag_encoder_count(vectors->e, h->text + spans[a].start,
                              spans[b].end - spans[a].start) > tokens)
            break;
        from = a;
        to = b;
    }
    if (best > -2)
        *part = (rag_span){spans[from].start, spans[to].end};
    free(spans);
    return best > -2 ? best : NAN;
}

/* As daemon/pipeline_read.c shows it to the reader. */
static json_t *reader_text(const rag_index_hit *h, rag_span part,
                           size_t *tokens) {
    rag_buf b;
    rag_error err;
    json_t *o;
    bool heading = h->heading && *h->heading;

    rag_buf_init(&b, 0);
    if (rag_buf_printf(&b, &err, "%s%s%s\n%.*s", h->title, heading ? " > " : "",
                       heading ? h->heading : "", (int)(part.end - part.start),
                       h->text + part.start) != 0)
        die(&err, h->doc);
    *tokens = rag_encoder_count(vectors->e, b.data, b.len);
    o = json_stringn(b.data, b.len);
    rag_buf_free(&b);
    return need(o);
}

static json_t *describe_hit(const set *s, const question *q,
                            const rag_index_result *r, marked *m,
                            const rag_index_hit *h) {
    const char *const all[3] = {h->title, h->heading, h->text};
    size_t head = rag_encoder_count(vectors->e, h->title, strlen(h->title));
    size_t whole_tokens, part_tokens;
    rag_span part;
    double nearest =
        best_part(q, h, head < PART_TOKENS ? PART_TOKENS - head : 0, &part);
    json_t *whole =
        reader_text(h, (rag_span){0, strlen(h->text)}, &whole_tokens);
    json_t *cut = reader_text(h, part, &part_tokens);

    return need(json_pack(
        "{s:b s:f s:f s:f s:i s:i s:f s:f s:f s:o s:o s:i s:i}", "relevant",
        is_relevant(q, h->doc), "score", h->score, "lexical_z", h->lexical_z,
        "vector_z", h->vector_z, "lexical_rank", h->lexical_rank, "vector_rank",
        h->vector_rank, "sentence", isnan(nearest) ? h->vector : nearest,
        "cover", cover(s, r, m, all, 3), "title_cover", cover(s, r, m, all, 1),
        "whole", whole, "part", cut, "whole_tokens", (int)whole_tokens,
        "part_tokens", (int)part_tokens));
}

static void write_hits(FILE *f, const set *s, const question *q,
                       const rag_index_result *r) {
    json_t *o, *hits = need(json_array());
    marked m;
    rag_error err;

    if (rag_query_terms(q->text, q->len, rag_index_tuning(s->ix), m.terms, &m.n,
                        &err) != 0)
        die(&err, q->id);
    for (size_t i = 0; i < r->n; i++)
        json_array_append_new(hits, describe_hit(s, q, r, &m, &r->hits[i]));
    o = need(json_pack("{s:s s:s s:s s:s s:i s:i s:o}", "set", s->name, "id",
                       q->id, "relevant", q->relevant[0], "question", q->text,
                       "relevant_n", (int)q->nrelevant, "question_tokens",
                       (int)rag_encoder_count(vectors->e, q->text, q->len),
                       "hits", hits));
    json_dumpf(o, f, JSON_COMPACT);
    fputc('\n', f);
    json_decref(o);
}

/* each: nDCG of every question, or NULL. */
static score measure(set *s, double weight, FILE *dump, double *each) {
    score sum = {0};
    double n = (double)(s->n ? s->n : 1);

    for (size_t i = 0; i < s->n; i++) {
        question *q = &s->q[i];
        rag_index_query query = {.text = weight == 1 ? NULL : q->text,
                                 .len = weight == 1 ? 0 : q->len,
                                 .vector = weight == 0 ? NULL : q->v,
                                 .k = CUT,
                                 .kind = -1,
                                 .now = RAG_TIME_NONE,
                                 .vector_weight = weight};
        rag_index_result r;
        rag_error err;
        double t0 = rag_clock_ms(), ndcg;

        if (rag_index_search(s->ix, &query, &r, &err) != 0)
            die(&err, q->id);
        sum.ms += rag_clock_ms() - t0;
        add_score(q, &r, &sum, &ndcg);
        if (each)
            each[i] = ndcg;
        if (dump && dump_hits)
            write_hits(dump, s, q, &r);
        else if (dump)
            fprintf(dump, "%s\t%s\t%.4f\t%.3f\t%s\t%s\t%s\n", s->name, q->id,
                    ndcg, r.vector_weight, q->text, q->relevant[0],
                    r.n ? r.hits[0].doc : "");
        rag_index_result_free(&r);
    }
    sum.hit1 /= n;
    sum.hit5 /= n;
    sum.hit10 /= n;
    sum.recall /= n;
    sum.mrr /= n;
    sum.ndcg /= n;
    sum.ms /= n;
    sum.weight /= n;
    return sum;
}

static void print(const char *name, const char *mode, size_t n, score s) {
    printf("%-20s %-10s n=%-5zu hit@1 %.3f hit@5 %.3f hit@10 %.3f recall %.3f"
           " mrr %.3f ndcg %.4f w %.2f %.2f ms\n",
           name, mode, n, s.hit1, s.hit5, s.hit10, s.recall, s.mrr, s.ndcg,
           s.weight, s.ms);
}

/* ---- tuning by name ----------------------------------------------------------------------- */

#define FIELD(f)                                                               \
    { #f, offsetof(rag_tuning, f) }
static const struct {
    const char *name;
    size_t at;
} fields[] = {
    FIELD(k1),
    FIELD(b),
    FIELD(column[0]),
    FIELD(column[1]),
    FIELD(column[2]),
    FIELD(column[3]),
    FIELD(w_word),
    FIELD(w_stop),
    FIELD(w_stem),
    FIELD(w_bigram),
    FIELD(w_cross),
    FIELD(w_number),
    FIELD(w_code),
    FIELD(w_part),
    FIELD(ubiquitous),
    FIELD(vector_weight),
    FIELD(w_min),
    FIELD(w_max),
    FIELD(a_code),
    FIELD(a_quote),
    FIELD(a_rare),
    FIELD(a_margin),
    FIELD(a_cover),
    FIELD(second),
    FIELD(foreign),
    FIELD(to_korean),
    FIELD(to_english),
    FIELD(synonym),
    FIELD(alone),
    FIELD(typo),
    FIELD(feedback),
    FIELD(sentence),
    FIELD(vector_coarse),
    FIELD(extra),
    FIELD(column[4]),
};

static void set_field(rag_tuning *t, const char *assignment) {
    size_t n = strcspn(assignment, "=");

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (strlen(fields[i].name) == n &&
            strncmp(fields[i].name, assignment, n) == 0 && assignment[n]) {
            double v = strtod(assignment + n + 1, NULL);

            memcpy((char *)t + fields[i].at, &v, sizeof(v));
            return;
        }
    fprintf(stderr, "eval_retrieval: no such setting: %s\n", assignment);
    exit(64);
}

static void open_set(set *s, const char *path, const char *work, cache *c,
                     const rag_sentences *sentences) {
    char docs[2048], queries[2048], dir[2048];
    rag_index_options opt = {.read_only = true};
    loader l = {.c = c, .sentences = sentences};
    rag_error err;

    snprintf(s->name, sizeof(s->name), "%s", rag_path_base(path));
    snprintf(docs, sizeof(docs), "%s/docs.jsonl", path);
    snprintf(queries, sizeof(queries), "%s/queries.jsonl", path);
    snprintf(dir, sizeof(dir), "%s/store-%s-%d%s", work, s->name,
             RAG_INDEX_TERMS, with_sentences ? "-s" : "");
    if (!rag_file_exists(dir)) {
        if (rag_ingest_read(docs, NULL, sentences, on_document, on_problem, &l,
                            &err) != 0)
            die(&err, docs);
        store_documents(&l, dir);
    }
    if (rag_index_open(dir, &opt, &s->ix, &err) != 0)
        die(&err, dir);
    load_questions(s, queries, c);
}

typedef struct arguments {
    const char *encoder, *work, *grid, *dump;
    rag_tuning tuning;
    double weight; /* of the vectors; negative: adapts */
    bool modes, parts;
    int first;
} arguments;

static void parse(int argc, char **argv, arguments *a) {
    int i;

    memset(a, 0, sizeof(*a));
    a->tuning = rag_tuning_default;
    a->weight = -1;
    for (i = 1; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--modes") == 0) {
            a->modes = true;
            continue;
        }
        if (strcmp(argv[i], "--parts") == 0) {
            a->parts = true;
            continue;
        }
        if (strcmp(argv[i], "--sentences") == 0) {
            with_sentences = true;
            continue;
        }
        if (i + 1 == argc)
            break;
        if (strcmp(argv[i], "--encoder") == 0)
            a->encoder = argv[++i];
        else if (strcmp(argv[i], "--work") == 0)
            a->work = argv[++i];
        else if (strcmp(argv[i], "--grid") == 0)
            a->grid = argv[++i];
        else if (strcmp(argv[i], "--dump") == 0)
            a->dump = argv[++i];
        else if (strcmp(argv[i], "--hits") == 0)
            a->dump = argv[++i], dump_hits = true;
        else if (strcmp(argv[i], "--adapter") == 0)
            adapter_path = argv[++i];
        else if (strcmp(argv[i], "--weight") == 0)
            a->weight = strtod(argv[++i], NULL);
        else if (strcmp(argv[i], "--set") == 0)
            set_field(&a->tuning, argv[++i]);
        else
            break;
    }
    a->first = i;
    if (i >= argc || argv[i][0] == '-') {
        fputs("usage: eval_retrieval [--encoder FILE] [--work DIR] "
              "[--set NAME=VALUE] [--grid NAME=V1,V2] [--weight W] [--modes] "
              "[--dump FILE] [--hits FILE] [--sentences] [--parts] "
              "[--adapter FILE] SET...\n",
              stderr);
        exit(64);
    }
}

static void run_grid(set *sets, size_t n, const arguments *a) {
    rag_tuning t = a->tuning;
    const char *values = strchr(a->grid, '=');
    size_t name = values ? (size_t)(values - a->grid) : 0;

    printf("%-16s", "");
    for (size_t i = 0; i < n; i++)
        printf(" %.9s", sets[i].name);
    puts("  mean");
    while (values && *values) {
        char assignment[128];
        size_t len = strcspn(values + 1, ",");
        double sum = 0;

        snprintf(assignment, sizeof(assignment), "%.*s=%.*s", (int)name,
                 a->grid, (int)len, values + 1);
        set_field(&t, assignment);
        printf("%-16s", assignment);
        for (size_t i = 0; i < n; i++) {
            score s;

            rag_index_set_tuning(sets[i].ix, &t);
            s = measure(&sets[i], a->weight, NULL, NULL);
            printf("    %.4f", s.ndcg);
            sum += s.ndcg;
        }
        printf("  %.4f\n", sum / (double)(n ? n : 1));
        fflush(stdout);
        values += 1 + len;
    }
}

/* ---- fused against its parts --------------------------------------------------- */

#define RESAMPLES 10000

static int by_value(const void *x, const void *y) {
    const double *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

/* Differences of means over questions drawn with replacement, ascending. */
static void resample(const double *d, size_t n, double *means) {
    uint64_t x = 88172645463325252u;

    for (int r = 0; r < RESAMPLES; r++) {
        double sum = 0;

        for (size_t i = 0; i < n; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            sum += d[x % n];
        }
        means[r] = sum / (double)n;
    }
    qsort(means, RESAMPLES, sizeof(*means), by_value);
}

/* p: how often the fused order was not better; 1 - p: not worse. */
static double run_parts(set *s, double weight) {
    double *each[3], *means = need(malloc(RESAMPLES * sizeof(*means)));
    score part[3];
    size_t not_better = 0, n = s->n;
    int better;

    for (int i = 0; i < 3; i++) {
        static const double weights[2] = {0, 1};

        each[i] = need(malloc((n + 1) * sizeof(**each)));
        part[i] = measure(s, i < 2 ? weights[i] : weight, NULL, each[i]);
    }
    better = part[1].ndcg > part[0].ndcg;
    for (size_t i = 0; i < n; i++)
        each[2][i] -= each[better][i];
    if (n > 0)
        resample(each[2], n, means);
    while (n > 0 && not_better < RESAMPLES && means[not_better] <= 0)
        not_better++;
    printf("%-20s n=%-5zu lexical %.4f vector %.4f fused %.4f better by %+.4f "
           "[%+.4f %+.4f] p %.4f\n",
           s->name, n, part[0].ndcg, part[1].ndcg, part[2].ndcg,
           part[2].ndcg - part[better].ndcg, n ? means[RESAMPLES / 40] : 0,
           n ? means[RESAMPLES * 39 / 40] : 0, (double)not_better / RESAMPLES);
    fflush(stdout);
    for (int i = 0; i < 3; i++)
        free(each[i]);
    free(means);
    return part[2].ndcg - part[better].ndcg;
}

int main(int argc, char **argv) {
    arguments a;
    rag_encoder *e;
    rag_sentences *sentences;
    rag_error err;
    cache c;
    set sets[32] = {0};
    size_t n = 0;
    char path[1024], *place = NULL;
    const char *tmp = getenv("TMPDIR");
    FILE *dump = NULL;
    rag_encoder_options opt = {0};

    parse(argc, argv, &a);
    if (a.work == NULL) {
        snprintf(path, sizeof(path), "%s/rag-eval",
                 tmp && tmp[0] ? tmp : "/tmp");
        a.work = path;
    }
    if (rag_file_mkdirs(a.work, 0700, &err) != 0)
        die(&err, a.work);
    if (a.encoder == NULL) {
        char *cache_dir;

        if (rag_path_place(RAG_PLACE_CACHE, &cache_dir, &err) != 0 ||
            rag_path_join(cache_dir, RAG_ENCODER_FILE, &place, &err) != 0)
            die(&err, "encoder");
        free(cache_dir);
        a.encoder = place;
    }
    opt.adapter = adapter_path;
    if (rag_encoder_open(a.encoder, &opt, &e, &err) != 0)
        die(&err, a.encoder);
    if (rag_sentences_open(&sentences, &err) != 0)
        die(&err, "sentences");
    cache_open(&c, e, a.work);
    for (int i = a.first; i < argc && n < 32; i++) {
        if (!rag_file_exists(argv[i])) {
            fprintf(stderr, "skipped: no %s\n", argv[i]);
            continue;
        }
        open_set(&sets[n++], argv[i], a.work, &c, sentences);
    }
    if (a.dump)
        dump = fopen(a.dump, "w");
    vectors = &c;
    splitter = sentences;
    if (a.grid) {
        run_grid(sets, n, &a);
    } else if (a.parts) {
        double sum = 0;

        for (size_t i = 0; i < n; i++) {
            rag_index_set_tuning(sets[i].ix, &a.tuning);
            sum += run_parts(&sets[i], a.weight);
        }
        printf("better by %+.4f on average\n", sum / (double)(n ? n : 1));
    } else {
        double mean = 0;

        for (size_t i = 0; i < n; i++) {
            score s;

            rag_index_set_tuning(sets[i].ix, &a.tuning);
            s = measure(&sets[i], a.weight, dump, NULL);
            mean += s.ndcg / (double)n;
            print(sets[i].name, "adaptive", sets[i].n, s);
            if (a.modes) {
                print("", "lexical", sets[i].n,
                      measure(&sets[i], 0, NULL, NULL));
                print("", "vector", sets[i].n,
                      measure(&sets[i], 1, NULL, NULL));
                print("", "0.3", sets[i].n, measure(&sets[i], 0.3, NULL, NULL));
                print("", "0.5", sets[i].n, measure(&sets[i], 0.5, NULL, NULL));
                print("", "0.7", sets[i].n, measure(&sets[i], 0.7, NULL, NULL));
            }
            fflush(stdout);
        }
        printf("mean ndcg %.4f\n", mean);
    }
    if (dump)
        fclose(dump);
    for (size_t i = 0; i < n; i++)
        rag_index_close(sets[i].ix);
    rag_sentences_close(sentences);
    rag_encoder_close(e);
    free(place);
    return 0;
}
