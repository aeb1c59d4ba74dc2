/*
 * faq_opposites.c - the table of opposites and which sides a text speaks of.
 *
 * A group is a list of sides, a side a list of words that mean the same to a
 * bank desk. Two questions may be taken for one another only when they speak
 * of the same sides of every group. Korean words are matched anywhere in the
 * text with its spaces taken out, because customers leave spaces out; English
 * ones at word starts. A longer word hides the shorter ones inside it
 * ("입출금" hides "출금"). Immutable; any thread.
 */
#include "daemon/faq_int.h"

#include "base/unicode.h"

#include <string.h>

#define SIDES_MAX 5
#define WORDS_MAX 18

/* A leading '=' asks for the whole English word, '~' for an English word that
 * only counts beside turn/switch/toggle ("on" is mostly a preposition). */
typedef struct group {
    const char *name;
    const char *sides[SIDES_MAX][WORDS_MAX];
} group;

static const group GROUPS[] = {
    /* First, because rag_faq_guard lets a terse question leave it out. */
    {"asked",
     {{"얼마", "몇원", "몇퍼센트", "how much", "how many"},
      {"언제", "몇시", "며칠", "when", "what time", "how long"},
      {"어디", "where"},
      {"누구", "누가", "who"},
      {"왜", "이유", "why"}}},
    {"life",
     {{"가입", "개설", "신규", "만들", "open", "join", "sign up", "subscri",
       "creat", "register", "enrol"},
      {"해지", "해약", "탈퇴", "없애", "닫", "폐쇄", "close", "closing",
       "cancel", "terminat", "unsubscri", "delet", "deregister"},
      {"유지", "갱신", "연장", "renew", "extend", "keep"},
      {"재가입", "재개설", "재신규", "reopen", "rejoin"}}},
    {"registration",
     {{"등록", "설정", "신청", "지정"},
      {"해제", "말소", "삭제", "취소", "철회"},
      {"변경", "바꾸", "바뀌", "수정", "정정", "=change", "=changing",
       "=update", "modify"},
      {"미등록", "미신청", "미지정"}}},
    {"switch",
     {{"켜", "활성화", "사용하", "허용", "~on", "enabl", "activat", "unblock",
       "=allow"},
      {"끄", "꺼", "비활성화", "사용중지", "차단", "~off", "disabl",
       "deactivat", "=block", "=forbid"}}},
    {"cash",
     {{"입금", "예치", "넣", "deposit", "pay in"},
      {"출금", "인출", "찾", "빼", "withdraw", "pay out", "cash out"},
      {"이체", "송금", "보내", "transfer", "send", "remit"}}},
    {"direction",
     {{"받은", "받는", "수취", "들어온", "receiv", "incoming", "inbound"},
      {"보낸", "보내", "송금", "나간", "send", "sent", "outgoing",
       "outbound"}}},
    {"party",
     {{"개인", "individual", "personal", "=private"},
      {"법인", "기업", "회사", "사업자", "corporat", "business", "compan"},
      {"공동", "joint"}}},
    {"place",
     {{"국내", "domestic"},
      {"해외", "국외", "외국", "overseas", "foreign", "abroad",
       "international"}}},
    {"order",
     {{"이전", "하기전", "만기전", "되기전", "전에", "before", "prior to"},
      {"이후", "한후", "만기후", "된후", "뒤에", "다음에", "after"},
      {"동안", "=during", "=while"}}},
    {"age of a thing",
     {{"기존", "구형", "existing", "=old"}, {"신규", "신형", "=new"}}},
    {"bound",
     {{"이상", "at least", "or more"},
      {"미만", "=under", "less than", "younger"},
      {"이하", "at most", "or less", "=up to"},
      {"초과", "넘", "=over", "more than", "=older"}}},
    {"extreme",
     {{"최대", "최고", "상한", "maximum", "highest", "upper"},
      {"최소", "최저", "하한", "minimum", "lowest", "lower"}}},
    {"change of size",
     {{"상향", "증액", "올리", "늘리", "늘려", "올려", "increas", "raise",
       "raising"},
      {"하향", "감액", "내리", "줄이", "낮추", "줄여", "낮춰", "decreas",
       "reduc", "=lower", "lowering"}}},
    {"interest",
     {{"예금", "예치금", "적금", "saving"},
      {"대출", "융자", "loan", "borrow"}}},
    {"kind of saving", {{"예금"}, {"적금"}}},
    {"card",
     {{"신용카드", "credit card"},
      {"체크카드", "직불카드", "debit card"},
      {"선불카드", "prepaid card"}}},
    {"rate", {{"고정금리", "fixed"}, {"변동금리", "variable", "floating"}}},
    {"repayment",
     {{"중도상환", "조기상환", "early repay", "prepay"},
      {"만기상환", "만기일시"},
      {"분할상환", "instal"}}},
    {"ending",
     {{"중도해지", "early"}, {"만기해지", "만기", "maturity", "matur"}}},
    {"approval",
     {{"승인", "approv", "accept"},
      {"거절", "반려", "거부", "reject", "declin", "denied", "deny"}}},
    {"lost",
     {{"분실", "잃어", "=lost", "=lose", "losing"},
      {"도난", "훔", "stolen", "theft"},
      {"훼손", "파손", "damaged", "broken"}}},
    {"finding again", {{"습득", "찾았", "found"}, {"분실신고", "report"}}},
    {"issue", {{"재발급", "reissu", "replac"}, {"신규발급", "최초발급"}}},
    {"sign",
     {{"로그인", "log in", "login", "sign in"},
      {"로그아웃", "log out", "logout", "sign out"},
      {"회원가입", "sign up"}}},
    {"opt", {{"수신동의", "opt in"}, {"수신거부", "opt out"}}},
    {"lock",
     {{"잠금", "잠그", "잠겼", "잠기", "정지", "=lock", "=locked", "freez",
       "suspend"},
      {"잠금해제", "해제", "풀", "재개", "unlock", "unfreez", "resum"}}},
    {"price", {{"무료", "면제", "=free", "waive"}, {"유료", "charged"}}},
    {"payer", {{"환급", "환불", "refund"}, {"납부", "내야", "=pay"}}},
    {"way of transfer",
     {{"자동이체", "automatic", "direct debit"},
      {"수동이체", "manual"},
      {"예약이체", "scheduled"}}},
    {"currency",
     {{"원화", "=won", "krw"},
      {"외화", "foreign currency"},
      {"달러", "dollar", "usd"},
      {"엔화", "yen", "jpy"},
      {"유로", "euro", "eur"}}},
    {"deal",
     {{"매수", "사려", "사고싶", "살때", "buy"},
      {"매도", "팔려", "팔고", "팔때", "sell"}}},
    {"role", {{"본인", "myself"}, {"대리인", "가족", "proxy", "on behalf"}}},
    {"age of a person",
     {{"미성년", "청소년", "어린이", "minor", "child"},
      {"성인", "adult"},
      {"고령", "노인", "senior"}}},
    {"residence", {{"거주자", "resident"}, {"비거주자", "non resident"}}},
    {"day",
     {{"평일", "영업일", "weekday", "business day"},
      {"주말", "휴일", "공휴일", "weekend", "holiday"}}},
    {"time of day",
     {{"오전", "=am", "morning"},
      {"오후", "=pm", "afternoon"},
      {"야간", "night"}}},
    {"period",
     {{"하루", "1일", "일일", "daily", "per day", "a day"},
      {"1회", "한번에", "per transaction", "at once"},
      {"월간", "한달", "매월", "monthly", "a month"},
      {"연간", "매년", "yearly", "annual"}}},
    {"channel",
     {{"인터넷뱅킹", "홈페이지", "online banking", "internet banking",
       "website"},
      {"모바일", "앱", "app", "mobile"},
      {"영업점", "창구", "지점", "branch", "counter"},
      {"자동화기기", "현금인출기", "atm"},
      {"전화", "콜센터", "폰뱅킹", "phone", "call centre", "call center"}}},
    {"start",
     {{"시작", "개시", "start", "begin"},
      {"종료", "마감", "중지", "중단", "=end", "stop", "finish"}}},
    {"inclusion", {{"포함", "includ", "=with"}, {"제외", "exclud", "without"}}},
    {"increase", {{"추가", "=add", "adding"}, {"제거", "빼", "remov"}}},
    {"entry",
     {{"입사", "채용", "hired", "joining"},
      {"퇴사", "퇴직", "resign", "leaving", "quit"}}},
    {"attendance", {{"출근"}, {"퇴근"}}},
    {"pay side", {{"구매", "매입", "purchas"}, {"판매", "매출", "sale"}}},
    {"employment",
     {{"정규직", "permanent"},
      {"계약직", "비정규직", "임시직", "contractor", "temporary"}}},
    {"leave", {{"유급", "paid"}, {"무급", "unpaid"}}},
    {"transport", {{"항공", "비행기", "flight"}, {"철도", "기차", "train"}}},
    {"possibility", {{"가능"}, {"불가", "불가능"}}},
    {"necessity",
     {{"필수", "의무", "mandatory", "compulsory", "required"},
      {"선택", "optional"}}},
    {"secrecy", {{"공개", "public"}, {"비공개", "기밀", "confidential"}}},
    {"upload", {{"업로드", "upload"}, {"다운로드", "download"}}},
    {"import", {{"수입", "import"}, {"수출", "export"}}},
    {"success", {{"성공", "succe"}, {"실패", "fail"}}},
    {"negation",
     {{"안되", "안돼", "못", "않", "없이", "없나", "없어", "=not", "=no",
       "=cannot", "=cant", "=dont", "=doesnt", "=isnt", "=wont", "without"}}},
};

#define NGROUPS (sizeof GROUPS / sizeof GROUPS[0])

/* Words that hold a group's word without meaning it: taken out first. */
static const char *const NEUTRAL[] = {
    "입출금", "찾아보",   "찾아주",   "회사원",      "잘못",  "못지않", "넘버",
    "풀이",   "이전하려", "계좌이전", "application", "apply", "appl",
};

const char *rag_faq_group(size_t g) {
    return g < NGROUPS ? GROUPS[g].name : NULL;
}

const char *rag_faq_word(size_t g, size_t side, size_t w) {
    if (g >= NGROUPS || side >= SIDES_MAX || w >= WORDS_MAX)
        return NULL;
    return GROUPS[g].sides[side][w];
}

size_t rag_faq_groups(void) {
    return NGROUPS;
}

/* ---- where a word stands ------------------------------------------------------ */

static bool is_ascii(const char *w) {
    return (unsigned char)*w < 0x80;
}

/* English: at a word's start ("open" in "opening"), spaces count. */
static const char *find_latin(const char *text, const char *w, bool whole) {
    size_t n = strlen(w);
    for (const char *p = text; (p = strstr(p, w)); p++) {
        bool starts = p == text || p[-1] == ' ';
        bool ends = !p[n] || p[n] == ' ';
        if (starts && (!whole || ends))
            return p;
    }
    return NULL;
}

/* Finds word w (as spelled in the table) in either form of the text; returns
 * a pointer into the form it belongs to and its length. */
static const char *find_word(const rag_faq_text *t, const char *w, size_t *n) {
    bool whole = *w == '=', beside = *w == '~';
    if (whole || beside)
        w++;
    *n = strlen(w);
    if (beside && !find_latin(t->spaced, "turn", false) &&
        !find_latin(t->spaced, "switch", false) &&
        !find_latin(t->spaced, "toggl", false))
        return NULL;
    if (is_ascii(w))
        return find_latin(t->spaced, w, whole || beside);
    return strstr(t->joined, w);
}

/* A hit counts unless a longer word of any group covers it here and speaks of
 * another side ("재가입" over "가입", "비활성화" over "활성화"). */
static bool hidden(const rag_faq_text *t, const char *at, size_t n, size_t g,
                   size_t side) {
    for (size_t s = 0; s < SIDES_MAX; s++) {
        if (s == side)
            continue;
        for (size_t w = 0; w < WORDS_MAX && GROUPS[g].sides[s][w]; w++) {
            const char *word = GROUPS[g].sides[s][w];
            word += *word == '=' || *word == '~';
            size_t len = strlen(word);
            if (len <= n || !is_ascii(word) != !is_ascii(at))
                continue;
            const char *base = is_ascii(at) ? t->spaced : t->joined;
            for (const char *p = base; (p = strstr(p, word)); p++)
                if (p <= at && p + len >= at + n)
                    return true;
        }
    }
    return false;
}

static bool speaks(const rag_faq_text *t, size_t g, size_t side) {
    for (size_t w = 0; w < WORDS_MAX && GROUPS[g].sides[side][w]; w++) {
        size_t n;
        const char *at = find_word(t, GROUPS[g].sides[side][w], &n);
        if (at && !hidden(t, at, n, g, side))
            return true;
    }
    return false;
}

bool rag_faq_shares_side(const rag_faq_text *t, const char *at, size_t left,
                         size_t *n) {
    *n = 0;
    for (size_t g = 0; g < NGROUPS; g++) {
        for (size_t s = 0; s < SIDES_MAX && GROUPS[g].sides[s][0]; s++) {
            size_t longest = 0;
            for (size_t w = 0; w < WORDS_MAX && GROUPS[g].sides[s][w]; w++) {
                const char *word = GROUPS[g].sides[s][w];
                word += *word == '=' || *word == '~';
                size_t len = strlen(word);
                if (len > longest && len <= left && memcmp(at, word, len) == 0)
                    longest = len;
            }
            if (longest > *n && speaks(t, g, s))
                *n = longest;
        }
    }
    return *n > 0;
}

unsigned rag_faq_sides(const rag_faq_text *t, size_t g) {
    unsigned sides = 0;
    for (size_t s = 0; s < SIDES_MAX && GROUPS[g].sides[s][0]; s++)
        if (speaks(t, g, s))
            sides |= 1u << s;
    return sides;
}

/* ---- the two forms of a text ---------------------------------------------------- */

/* Replaces what must not be seen by characters that match nothing. */
static void blank(char *s) {
    for (size_t i = 0; i < sizeof NEUTRAL / sizeof NEUTRAL[0]; i++) {
        size_t n = strlen(NEUTRAL[i]);
        for (char *p = s; (p = strstr(p, NEUTRAL[i])); p += n)
            memset(p, '_', n);
    }
}

int rag_faq_text_init(rag_faq_text *t, const char *s, rag_error *err) {
    rag_buf folded, spaced, joined;
    memset(t, 0, sizeof *t);
    rag_buf_init(&folded, 0);
    rag_buf_init(&spaced, 0);
    rag_buf_init(&joined, 0);
    int rc = rag_unicode_fold(s, strlen(s), &folded, err);
    const char *p = rag_buf_str(&folded), *end = p + folded.len;
    while (!rc && p < end) {
        uint32_t cp;
        size_t n = rag_utf8_next(p, (size_t)(end - p), &cp);
        rag_char_class c = rag_unicode_class(cp);
        bool word = c == RAG_CHAR_LATIN || c == RAG_CHAR_HANGUL ||
                    c == RAG_CHAR_CJK || c == RAG_CHAR_DIGIT;
        if (word) {
            rc = rag_buf_append(&spaced, p, n, err);
            if (!rc)
                rc = rag_buf_append(&joined, p, n, err);
        } else if (cp != '\'' && cp != 0x2019 && spaced.len &&
                   spaced.data[spaced.len - 1] != ' ') {
            rc = rag_buf_append_char(&spaced, ' ', err);
        }
        p += n;
    }
    if (!rc)
        rc = rag_buf_steal(&spaced, &t->spaced, NULL, err);
    if (!rc)
        rc = rag_buf_steal(&joined, &t->joined, NULL, err);
    if (!rc) {
        blank(t->spaced);
        blank(t->joined);
    }
    rag_buf_free(&folded);
    rag_buf_free(&spaced);
    rag_buf_free(&joined);
    if (rc)
        rag_faq_text_free(t);
    return rc;
}

void rag_faq_text_free(rag_faq_text *t) {
    free(t->spaced);
    free(t->joined);
    memset(t, 0, sizeof *t);
}
