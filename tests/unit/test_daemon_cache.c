/*
 * Promises of the answer cache: it stays within its limits and forgets the
 * least recently used; it gives out nothing of another state of the world,
 * another key or a time gone by; who asks for the same at the same time is
 * answered by one, and when that one fails, the next takes over.
 */
#include "daemon/cache.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1000
#define BIG ((size_t)1 << 20)

typedef struct value {
    rag_cached head;
    int n;
} value;

static atomic_int alive;

static void destroy(rag_cached *v) {
    atomic_fetch_sub(&alive, 1);
    free(v);
}

static rag_cached *make(int n, size_t bytes, int64_t until) {
    value *v = calloc(1, sizeof *v);
    assert_non_null(v);
    atomic_init(&v->head.refs, 1);
    v->head.bytes = bytes;
    v->head.until = until;
    v->head.destroy = destroy;
    v->n = n;
    atomic_fetch_add(&alive, 1);
    return &v->head;
}

static rag_cache_key key_of(const char *state, const char *s, char *buf,
                            size_t cap) {
    int n = snprintf(buf, cap, "%s%s", state, s);
    return (rag_cache_key){buf, (size_t)n, strlen(state)};
}

static bool may_wait(void *user) {
    (void)user;
    return true;
}

static void no_matter(void *user) {
    (void)user;
}

static bool stays(void *user) {
    (void)user;
    return false;
}

static const rag_cache_waiter PATIENT = {may_wait, no_matter, stays, NULL};

/* What is kept under the key: its number, or -1; the flight is given up. */
static int kept(rag_cache *c, const char *state, const char *s, int64_t now) {
    char buf[128];
    rag_cache_key key = key_of(state, s, buf, sizeof buf);
    rag_cached *v;
    rag_flight *f;
    rag_cache_begin(c, &key, now, &PATIENT, &v, &f);
    int n = v ? ((value *)v)->n : -1;
    assert_true(!v == !!f);
    if (f)
        rag_cache_end(c, f, NULL);
    rag_cached_unref(v);
    return n;
}

static void put(rag_cache *c, const char *state, const char *s, rag_cached *v) {
    char buf[128];
    rag_cache_key key = key_of(state, s, buf, sizeof buf);
    rag_cached *old;
    rag_flight *f;
    rag_cache_begin(c, &key, NOW, &PATIENT, &old, &f);
    assert_null(old);
    assert_non_null(f);
    rag_cache_end(c, f, v);
}

static void the_least_recently_used_goes_first(void **state) {
    (void)state;
    rag_cache *c;
    rag_cache_counts n;
    assert_int_equal(rag_cache_open(3, BIG, &c, NULL), 0);
    put(c, "s", "a", make(1, 10, NOW));
    put(c, "s", "b", make(2, 10, NOW));
    put(c, "s", "c", make(3, 10, NOW));
    assert_int_equal(kept(c, "s", "a", NOW), 1); /* now the newest */
    put(c, "s", "d", make(4, 10, NOW));
    assert_int_equal(kept(c, "s", "b", NOW), -1);
    assert_int_equal(kept(c, "s", "a", NOW), 1);
    assert_int_equal(kept(c, "s", "c", NOW), 3);
    assert_int_equal(kept(c, "s", "d", NOW), 4);
    rag_cache_describe(c, &n);
    assert_int_equal(n.entries, 3);
    rag_cache_limit(c, 1, BIG);
    assert_int_equal(kept(c, "s", "d", NOW), 4);
    rag_cache_describe(c, &n);
    assert_int_equal(n.entries, 1);
    rag_cache_close(c);
    assert_int_equal(atomic_load(&alive), 0);
}

static void bytes_are_bounded(void **state) {
    (void)state;
    rag_cache *c;
    rag_cache_counts n;
    char name[32];
    assert_int_equal(rag_cache_open(1000, 10000, &c, NULL), 0);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "k%d", i);
        put(c, "s", name, make(i, 900, NOW));
        rag_cache_describe(c, &n);
        assert_true(n.bytes <= 10000);
    }
    assert_true(n.entries >= 5 && n.entries <= 11);
    assert_int_equal(kept(c, "s", "k99", NOW), 99);
    put(c, "s", "huge", make(1, 20000, NOW)); /* turns nobody out */
    assert_int_equal(kept(c, "s", "huge", NOW), -1);
    assert_int_equal(kept(c, "s", "k99", NOW), 99);
    rag_cache_limit(c, 1000, 0);
    rag_cache_describe(c, &n);
    assert_int_equal(n.entries, 0);
    assert_int_equal(n.bytes, 0);
    rag_cache_close(c);
    assert_int_equal(atomic_load(&alive), 0);
}

static void another_state_forgets_everything(void **state) {
    (void)state;
    rag_cache *c;
    rag_cache_counts n;
    assert_int_equal(rag_cache_open(10, BIG, &c, NULL), 0);
    put(c, "1 ", "a", make(1, 10, NOW));
    assert_int_equal(kept(c, "1 ", "a", NOW), 1);
    assert_int_equal(kept(c, "2 ", "a", NOW), -1);
    rag_cache_describe(c, &n);
    assert_int_equal(n.entries, 0);
    assert_int_equal(kept(c, "1 ", "a", NOW), -1); /* gone for good */
    /* An answer that was begun in a state that is over is not kept. */
    char one[16], two[16];
    rag_cache_key old = key_of("2 ", "a", one, sizeof one);
    rag_cache_key new = key_of("3 ", "a", two, sizeof two);
    rag_cached *v, *w;
    rag_flight *f, *g;
    rag_cache_begin(c, &old, NOW, &PATIENT, &v, &f);
    rag_cache_begin(c, &new, NOW, &PATIENT, &w, &g);
    assert_non_null(f);
    assert_non_null(g); /* nobody waits for an answer of another state */
    rag_cache_end(c, f, make(1, 10, NOW));
    rag_cache_end(c, g, make(2, 10, NOW));
    assert_int_equal(kept(c, "3 ", "a", NOW), 2);
    rag_cache_close(c);
    assert_int_equal(atomic_load(&alive), 0);
}

static void time_runs_out(void **state) {
    (void)state;
    rag_cache *c;
    assert_int_equal(rag_cache_open(10, BIG, &c, NULL), 0);
    put(c, "s", "a", make(1, 10, NOW + 5));
    put(c, "s", "never", make(2, 10, 0));
    assert_int_equal(kept(c, "s", "a", NOW + 5), 1);
    assert_int_equal(kept(c, "s", "a", NOW + 6), -1);
    assert_int_equal(kept(c, "s", "never", NOW), -1);
    rag_cache_close(c);
    assert_int_equal(atomic_load(&alive), 0);
}

static void keys_are_exact(void **state) {
    (void)state;
    static const char *const KEYS[] = {
        "3일", "5일", "3 일", "수수료 안내", "수수료 안 내", "on", "off", ""};
    size_t n = sizeof KEYS / sizeof KEYS[0];
    rag_cache *c;
    assert_int_equal(rag_cache_open(100, BIG, &c, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i; k < n; k++)
            assert_int_equal(kept(c, "s", KEYS[k], NOW), -1);
        put(c, "s", KEYS[i], make((int)i, 10, NOW));
    }
    for (size_t i = 0; i < n; i++)
        assert_int_equal(kept(c, "s", KEYS[i], NOW), (int)i);
    rag_cache_close(c);
    assert_int_equal(atomic_load(&alive), 0);
}

/* ---- at the same time ------------------------------------------------------- */

#define ASKERS 8

/* A question with askers on threads; lead says what the leader makes of it:
 * the first `fail` of them nothing. */
typedef struct stage {
    rag_cache *c;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    unsigned entered, left, led, fail, got, alone;
    unsigned hold; /* the leader waits until so many wait for it */
} stage;

static bool step_in(void *user) {
    stage *s = user;
    pthread_mutex_lock(&s->lock);
    s->entered++;
    pthread_cond_broadcast(&s->moved);
    pthread_mutex_unlock(&s->lock);
    return true;
}

static void step_out(void *user) {
    stage *s = user;
    pthread_mutex_lock(&s->lock);
    s->left++;
    pthread_mutex_unlock(&s->lock);
}

static void *asker(void *arg) {
    stage *s = arg;
    const rag_cache_waiter w = {step_in, step_out, stays, s};
    rag_cache_key key = {"sq", 2, 1};
    rag_cached *v;
    rag_flight *f;
    rag_cache_begin(s->c, &key, NOW, &w, &v, &f);
    pthread_mutex_lock(&s->lock);
    if (f) {
        bool fails = s->led++ < s->fail;
        while (s->entered < s->hold)
            pthread_cond_wait(&s->moved, &s->lock);
        pthread_mutex_unlock(&s->lock);
        rag_cache_end(s->c, f, fails ? NULL : make(7, 10, NOW));
        pthread_mutex_lock(&s->lock);
    } else if (v) {
        s->got += ((value *)v)->n == 7;
    } else {
        s->alone++;
    }
    pthread_mutex_unlock(&s->lock);
    rag_cached_unref(v);
    return NULL;
}

static void play(stage *s, size_t entries) {
    pthread_t t[ASKERS];
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->moved, NULL);
    assert_int_equal(rag_cache_open(entries, BIG, &s->c, NULL), 0);
    for (size_t i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, asker, s), 0);
    for (size_t i = 0; i < ASKERS; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(s->entered, s->left);
    rag_cache_close(s->c);
    pthread_cond_destroy(&s->moved);
    pthread_mutex_destroy(&s->lock);
    assert_int_equal(atomic_load(&alive), 0);
}

static void one_answers_for_all(void **state) {
    (void)state;
    for (size_t entries = 0; entries < 2; entries++) { /* kept or not */
        stage s = {.hold = ASKERS - 1};
        play(&s, entries);
        assert_int_equal(s.led, 1);
        assert_int_equal(s.got, ASKERS - 1);
        assert_int_equal(s.alone, 0);
    }
}

static void when_one_fails_the_next_takes_over(void **state) {
    (void)state;
    stage s = {.hold = ASKERS - 1, .fail = 3};
    play(&s, 10);
    assert_int_equal(s.led, 4);
    assert_int_equal(s.got, ASKERS - 4);
    assert_int_equal(s.alone, 0);
}

static bool refuses(void *user) {
    (void)user;
    return false;
}

static bool has_left(void *user) {
    ++*(unsigned *)user;
    return true;
}

static void who_leaves_or_finds_no_place_is_alone(void **state) {
    (void)state;
    rag_cache *c;
    rag_cache_key key = {"sq", 2, 1};
    unsigned asked = 0;
    const rag_cache_waiter leaves = {may_wait, no_matter, has_left, &asked};
    const rag_cache_waiter turned_away = {refuses, no_matter, stays, NULL};
    rag_cached *v, *none;
    rag_flight *first, *f;
    assert_int_equal(rag_cache_open(10, BIG, &c, NULL), 0);
    rag_cache_begin(c, &key, NOW, &PATIENT, &v, &first);
    assert_non_null(first);
    rag_cache_begin(c, &key, NOW, &leaves, &none, &f);
    assert_null(none);
    assert_null(f);
    assert_int_equal(asked, 1);
    rag_cache_begin(c, &key, NOW, &turned_away, &none, &f);
    assert_null(none);
    assert_null(f);
    rag_cache_end(c, first, make(7, 10, NOW));
    assert_int_equal(kept(c, "s", "q", NOW), 7);
    rag_cache_close(c);
    assert_int_equal(atomic_load(&alive), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_recently_used_goes_first),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(another_state_forgets_everything),
        cmocka_unit_test(time_runs_out),
        cmocka_unit_test(keys_are_exact),
        cmocka_unit_test(one_answers_for_all),
        cmocka_unit_test(when_one_fails_the_next_takes_over),
        cmocka_unit_test(who_leaves_or_finds_no_place_is_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
