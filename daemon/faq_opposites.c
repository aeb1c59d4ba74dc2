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

#include <string.h>

#define SIDES_MAX 8
#define WORDS_MAX 44

/* Told along with the need: the card is locked, at the counter, before the
 * trip. Groups whose sides customers' wordings of an entry crossed about as
 * often as wordings of its neighbours did. */
#define TOLD 0x100u

/* A leading '=' asks for the whole English word, '~' for an English word that
 * only counts beside turn/switch/toggle ("on" is mostly a preposition). */
typedef struct group {
    const char *name;
    unsigned kind; /* rag_faq_kind, and TOLD */
    const char *sides[SIDES_MAX][WORDS_MAX];
} group;

static const group GROUPS[] = {
    {"asked",
     RAG_FAQ_ASKED,
     {{"얼마", "몇원", "몇퍼센트", "how much", "how many"},
      {"언제", "몇시", "며칠", "when", "what time", "how long"},
      {"어디", "where"},
      {"누구", "누가", "who"},
      {"왜", "이유", "why"}}},
    {"life",
     RAG_FAQ_PLAIN,
     {{"가입", "개설", "신규", "만들", "open", "join", "sign up", "subscri",
       "creat", "register", "enrol"},
      {"해지", "해약", "탈퇴", "없애", "닫", "폐쇄", "close", "closing",
       "cancel", "terminat", "unsubscri", "delet", "deregister"},
      {"유지", "갱신", "연장", "renew", "extend", "keep"},
      {"재가입", "재개설", "재신규", "reopen", "rejoin"}}},
    {"registration",
     RAG_FAQ_PLAIN,
     {{"등록", "설정", "신청", "지정"},
      {"해제", "말소", "삭제", "취소", "철회"},
      {"변경", "바꾸", "바뀌", "수정", "정정", "=change", "=changing",
       "=update", "modify"},
      {"미등록", "미신청", "미지정"}}},
    {"switch",
     RAG_FAQ_PLAIN | TOLD,
     {{"켜", "활성화", "사용하", "허용", "~on", "enabl", "activat", "unblock",
       "=allow", "unlock", "unfreez", "=resume"},
      {"끄", "꺼", "비활성화", "사용중지", "차단", "~off", "disabl",
       "deactivat", "=block", "=forbid", "=lock", "=locked", "freez", "suspend",
       "=pause"}}},
    {"cash",
     RAG_FAQ_PLAIN,
     {{"입금", "예치", "넣", "deposit", "pay in"},
      {"출금", "인출", "찾", "빼", "뺄", "뽑", "withdraw", "pay out",
       "cash out"},
      {"이체", "송금", "보내", "transfer", "send", "remit"}}},
    {"direction",
     RAG_FAQ_PLAIN | TOLD,
     {{"받은", "받는", "수취", "들어온", "receiv", "incoming", "inbound"},
      {"보낸", "보내", "송금", "나간", "send", "sent", "outgoing",
       "outbound"}}},
    {"party",
     RAG_FAQ_SCOPE_USUAL | TOLD,
     {{"개인", "individual", "personal", "=private"},
      {"법인", "기업", "회사", "사업자", "corporat", "business", "my company",
       "company account", "company card"},
      {"공동", "joint"}}},
    {"place",
     RAG_FAQ_SCOPE_USUAL | TOLD,
     {{"국내", "domestic"},
      {"해외", "국외", "외국", "overseas", "foreign", "abroad",
       "international"}}},
    {"order",
     RAG_FAQ_PLAIN | TOLD,
     {{"이전", "하기전", "만기전", "만료전", "입주전", "이사전", "되기전",
       "전에", "before", "prior to"},
      {"이후", "한후", "만기후", "만료후", "입주후", "이사후", "된후", "뒤에",
       "다음에", "하고나서", "after", "=past"},
      {"동안", "=during", "=while"}}},
    {"age of a thing",
     RAG_FAQ_PLAIN | TOLD,
     {{"기존", "구형", "existing", "=old"}, {"신규", "신형", "=new"}}},
    {"bound",
     RAG_FAQ_SCOPE | TOLD,
     {{"이상", "at least", "or more"},
      {"미만", "=under", "less than", "younger"},
      {"이하", "at most", "or less", "=up to"},
      {"초과", "넘", "=over", "more than", "=older"}}},
    {"extreme",
     RAG_FAQ_PLAIN,
     {{"최대", "최고", "상한", "maximum", "highest", "upper"},
      {"최소", "최저", "하한", "minimum", "lowest", "lower"}}},
    {"change of size",
     RAG_FAQ_PLAIN,
     {{"상향", "증액", "올리", "늘리", "늘려", "올려", "increas", "raise",
       "raising"},
      {"하향", "감액", "내리", "줄이", "낮추", "줄여", "낮춰", "decreas",
       "reduc", "=lower", "lowering"}}},
    {"interest",
     RAG_FAQ_SCOPE,
     {{"예금", "예치금", "적금", "saving"},
      {"대출", "융자", "loan", "borrow"}}},
    {"kind of saving", RAG_FAQ_SCOPE, {{"예금"}, {"적금"}}},
    {"card",
     RAG_FAQ_SCOPE,
     {{"신용카드", "credit card"},
      {"체크카드", "직불카드", "debit card"},
      {"선불카드", "prepaid card"}}},
    {"rate",
     RAG_FAQ_SCOPE,
     {{"고정금리", "fixed"}, {"변동금리", "variable", "floating"}}},
    {"repayment",
     RAG_FAQ_PLAIN,
     {{"중도상환", "조기상환", "early repay", "prepay"},
      {"만기상환", "만기일시"},
      {"분할상환", "instal"}}},
    {"ending",
     RAG_FAQ_PLAIN | TOLD,
     {{"중도해지", "early"}, {"만기해지", "만기", "maturity", "matur"}}},
    {"approval",
     RAG_FAQ_PLAIN,
     {{"승인", "approv", "accept"},
      {"거절", "반려", "거부", "reject", "declin", "denied", "deny"}}},
    {"lost",
     RAG_FAQ_PLAIN,
     {{"분실", "잃어", "=lost", "=lose", "losing"},
      {"도난", "훔", "stolen", "theft"},
      {"훼손", "파손", "damaged", "broken"}}},
    {"finding again",
     RAG_FAQ_PLAIN,
     {{"습득", "찾았", "found"}, {"분실신고", "report"}}},
    {"issue",
     RAG_FAQ_SCOPE,
     {{"재발급", "reissu", "replac"}, {"신규발급", "최초발급"}}},
    {"sign",
     RAG_FAQ_PLAIN | TOLD,
     {{"로그인", "log in", "login", "sign in"},
      {"로그아웃", "log out", "logout", "sign out"},
      {"회원가입", "sign up"}}},
    {"opt", RAG_FAQ_PLAIN, {{"수신동의", "opt in"}, {"수신거부", "opt out"}}},
    {"lock",
     RAG_FAQ_PLAIN | TOLD,
     {{"잠금", "잠그", "잠겼", "잠기", "정지", "=lock", "=locked", "freez",
       "suspend"},
      {"잠금해제", "해제", "풀", "재개", "unlock", "unfreez", "resum"}}},
    {"price",
     RAG_FAQ_PLAIN,
     {{"무료", "면제", "=free", "waive"}, {"유료", "charged"}}},
    {"payer",
     RAG_FAQ_PLAIN | TOLD,
     {{"환급", "환불", "refund"}, {"납부", "내야", "=pay"}}},
    {"way of transfer",
     RAG_FAQ_PLAIN,
     {{"자동이체", "automatic", "direct debit"},
      {"수동이체", "manual"},
      {"예약이체", "scheduled"}}},
    {"currency",
     RAG_FAQ_SCOPE | TOLD,
     {{"원화", "=won", "krw"},
      {"외화", "foreign currency"},
      {"달러", "dollar", "usd"},
      {"엔화", "yen", "jpy"},
      {"유로", "euro", "eur"}}},
    {"deal",
     RAG_FAQ_SCOPE,
     {{"매수", "사려", "사고싶", "살때", "buy"},
      {"매도", "팔려", "팔고", "팔때", "sell"}}},
    {"role",
     RAG_FAQ_SCOPE_USUAL | TOLD,
     {{"본인", "myself"}, {"대리인", "가족", "proxy", "on behalf"}}},
    {"age of a person",
     RAG_FAQ_SCOPE | TOLD,
     {{"미성년", "청소년", "어린이", "minor", "child"},
      {"성인", "adult"},
      {"고령", "노인", "senior"}}},
    {"residence",
     RAG_FAQ_SCOPE_USUAL | TOLD,
     {{"거주자", "resident"}, {"비거주자", "non resident"}}},
    {"day",
     RAG_FAQ_SCOPE | TOLD,
     {{"평일", "영업일", "weekday", "business day"},
      {"주말", "휴일", "공휴일", "weekend", "holiday"}}},
    {"time of day",
     RAG_FAQ_PLAIN | TOLD,
     {{"오전", "=am", "morning"},
      {"오후", "=pm", "afternoon"},
      {"야간", "night"}}},
    {"period",
     RAG_FAQ_SCOPE | TOLD,
     {{"하루", "1일", "일일", "daily", "per day", "a day"},
      {"1회", "한번에", "per transaction", "at once", "single", "one time"},
      {"월간", "한달", "매월", "monthly", "a month"},
      {"연간", "매년", "yearly", "annual"}}},
    {"channel",
     RAG_FAQ_PLAIN | TOLD,
     {{"인터넷뱅킹", "홈페이지", "online banking", "internet banking",
       "website"},
      {"모바일", "앱", "=app", "=apps", "mobile"},
      {"영업점", "창구", "지점", "branch", "counter"},
      {"자동화기기", "현금인출기", "atm"},
      {"전화", "콜센터", "폰뱅킹", "phone", "call centre", "call center"}}},
    {"start",
     RAG_FAQ_PLAIN | TOLD,
     {{"시작", "개시", "start", "begin"},
      {"종료", "마감", "중지", "중단", "=end", "stop", "finish"}}},
    {"inclusion",
     RAG_FAQ_PLAIN | TOLD,
     {{"포함", "includ", "=with"}, {"제외", "exclud", "without"}}},
    {"increase",
     RAG_FAQ_PLAIN,
     {{"추가", "=add", "adding"}, {"제거", "빼", "remov"}}},
    {"entry",
     RAG_FAQ_PLAIN,
     {{"입사", "채용", "hired", "joining"},
      {"퇴사", "퇴직", "resign", "leaving", "quit"}}},
    {"attendance", RAG_FAQ_PLAIN | TOLD, {{"출근"}, {"퇴근"}}},
    {"pay side",
     RAG_FAQ_PLAIN,
     {{"구매", "매입", "purchas"}, {"판매", "매출", "sale"}}},
    {"employment",
     RAG_FAQ_SCOPE,
     {{"정규직", "permanent"},
      {"계약직", "비정규직", "임시직", "contractor", "temporary"}}},
    {"leave", RAG_FAQ_SCOPE, {{"유급", "paid"}, {"무급", "unpaid"}}},
    {"transport",
     RAG_FAQ_SCOPE,
     {{"항공", "비행기", "flight"}, {"철도", "기차", "train"}}},
    {"possibility", RAG_FAQ_PLAIN, {{"가능"}, {"불가", "불가능"}}},
    {"necessity",
     RAG_FAQ_PLAIN,
     {{"필수", "의무", "mandatory", "compulsory", "required"},
      {"선택", "optional"}}},
    {"secrecy",
     RAG_FAQ_PLAIN,
     {{"공개", "public"}, {"비공개", "기밀", "confidential"}}},
    {"upload", RAG_FAQ_PLAIN, {{"업로드", "upload"}, {"다운로드", "download"}}},
    {"import", RAG_FAQ_PLAIN, {{"수입", "import"}, {"수출", "export"}}},
    {"success", RAG_FAQ_PLAIN, {{"성공", "succe"}, {"실패", "fail"}}},
    {"negation",
     RAG_FAQ_NEGATION,
     {{"안되", "안돼", "못", "않", "없이", "없나", "없어", "=not", "=no",
       "=cannot", "=cant", "=dont", "=doesnt", "=isnt", "=wont", "without"}}},
    {"polarity",
     RAG_FAQ_LOOSE,
     {{"발급",    "가입",   "개설",     "신규",  "만들",  "만드",
       "신청",    "등록",   "설정",     "켜",    "켤",    "활성화",
       "허용",    "시작",   "개시",     "open",  "join",  "sign up",
       "subscri", "creat",  "register", "enrol", "~on",   "enabl",
       "activat", "=allow", "set up",   "start", "apply", "applicat"},
      {"빼고",    "빼려",      "해지",     "해약",      "탈퇴",     "없애",
       "폐쇄",    "폐기",      "해제",     "말소",      "삭제",     "취소",
       "철회",    "끄",        "끌",       "꺼",        "비활성화", "차단",
       "중지",    "중단",      "그만",     "끊",        "깨기",     "깨면",
       "깨고",    "깨려",      "막기",     "막고",      "종료",     "close",
       "closing", "cancel",    "terminat", "unsubscri", "delet",    "~off",
       "disabl",  "deactivat", "=block",   "stop",      "remov"}}},
    /* The first sides are nouns (MATTER_NOUNS), the others ways of asking. */
    {"matter",
     RAG_FAQ_MATTER,
     {{"수수료", "비용", "요금", "연회비", "이용료", "fee", "cost", "charge",
       "price", "expens"},
      {"한도", "얼마까지", "최대", "limit", "maximum", "up to what",
       "how much can", "cap"},
      {"서류", "준비물", "무엇이필요", "뭐가필요", "가져가", "가져와", "지참",
       "document", "paperwork", "papers", "=bring"},
      {"금리", "이자", "이율", "interest", "yield"},
      {"환율", "exchange rate", "conversion rate"},
      {"시간", "몇시", "언제", "며칠", "기간", "hours", "what time", "when",
       "how long", "how soon", "how fast", "how many days"},
      {"어디", "where", "which branch"},
      {"어떻게하", "어떻게해", "방법", "하려면", "려면", "how do i",
       "how can i", "how to", "how do you", "절차"}}},
};

#define MATTER_NOUNS 5
#define NGROUPS (sizeof GROUPS / sizeof GROUPS[0])
_Static_assert(NGROUPS <= RAG_FAQ_GROUPS_MAX, "sides of a text");

/* Words that hold a group's word without meaning it: taken out first. */
static const char *const NEUTRAL[] = {
    "입출금", "찾아보", "찾아주",   "회사원",   "잘못", "못지않",
    "넘버",   "풀이",   "이전하려", "계좌이전", "i am",
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
        if (RAG_FAQ_IS_LOOSE(rag_faq_kind_of(g)))
            continue;
        for (size_t s = 0; s < SIDES_MAX && GROUPS[g].sides[s][0]; s++) {
            size_t longest = 0;
            for (size_t w = 0; w < WORDS_MAX && GROUPS[g].sides[s][w]; w++) {
                const char *word = GROUPS[g].sides[s][w];
                word += *word == '=' || *word == '~';
                size_t len = strlen(word);
                if (len > longest && len <= left && memcmp(at, word, len) == 0)
                    longest = len;
            }
            if (longest > *n && (t->sides[g] >> s & 1))
                *n = longest;
        }
    }
    return *n > 0;
}

size_t rag_faq_matter_noun(const char *at, size_t left) {
    size_t longest = 0;
    for (size_t g = 0; g < NGROUPS; g++)
        for (size_t s = 0;
             rag_faq_kind_of(g) == RAG_FAQ_MATTER && s < MATTER_NOUNS; s++)
            for (size_t w = 0; w < WORDS_MAX && GROUPS[g].sides[s][w]; w++) {
                size_t n = strlen(GROUPS[g].sides[s][w]);
                if (n > longest && n <= left &&
                    memcmp(at, GROUPS[g].sides[s][w], n) == 0)
                    longest = n;
            }
    return longest;
}

rag_faq_kind rag_faq_kind_of(size_t g) {
    return (rag_faq_kind)(GROUPS[g].kind & ~TOLD);
}

bool rag_faq_is_told(size_t g) {
    return (GROUPS[g].kind & TOLD) != 0;
}

void rag_faq_find_sides(rag_faq_text *t) {
    memset(t->sides, 0, sizeof t->sides);
    for (size_t g = 0; g < NGROUPS; g++)
        for (size_t s = 0; s < SIDES_MAX && GROUPS[g].sides[s][0]; s++)
            if (speaks(t, g, s))
                t->sides[g] |= (unsigned char)(1u << s);
}

/* Replaces what must not be seen by characters that match nothing. */
void rag_faq_blank(char *s) {
    for (size_t i = 0; i < sizeof NEUTRAL / sizeof NEUTRAL[0]; i++) {
        size_t n = strlen(NEUTRAL[i]);
        for (char *p = s; (p = strstr(p, NEUTRAL[i])); p += n)
            memset(p, '_', n);
    }
}
