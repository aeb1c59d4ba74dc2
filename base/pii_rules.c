/*
 * pii_rules.c - the patterns of personal data, in order of precedence.
 *
 * They run on folded text: digits, dashes and spaces are ASCII, Hangul is
 * composed, no invisible characters. Every repetition has a bound, so that
 * the work is linear in the text.
 */
#include "base/pii_int.h"

/* A number does not begin inside a word, a code or a longer number, nor end
 * there. */
#define B "(?<![0-9A-Za-z_+])(?<![0-9A-Za-z]-)(?<![0-9][.,:])"
#define E "(?![0-9A-Za-z_]|-[0-9A-Za-z]|[.,:][0-9])"
/* Between groups of digits: "-", ".", " ", " - ". */
#define S "(?: ?[-.] ?| )"
#define O S "?"

#define AREA "0(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50[2-8])"

#define SIDO                                                                                         \
    "(?:서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|전북|" \
    "전남|경북|경남|제주|충청[남북]|전라[남북]|경상[남북])"                      \
    "(?:특별자치시|특별자치도|특별시|광역시|시|도)?"
#define SGG "[가-힣]{1,5}[시군구]"
#define UNIT                                                                                      \
    "(?! ?(?:원|%|퍼센트|개|건|명|회|월|년|일|시간|시|분|초|억|만|천|백|배|" \
    "차|주|가지|종|점|단계|호선|인|살|세|달러|달|권|장|번(?!지)|위|곳|대|" \
    "영업)|[0-9]|[.,][0-9])"
#define DETAIL                                                                                  \
    "((?:,? ?(?:\\([가-힣0-9 ,]{2,24}\\)|"                                                    \
    "[가-힣A-Za-z0-9]{1,15}(?:아파트|빌딩|타워|오피스텔|빌라|맨션|하우스)|" \
    "[0-9A-Za-z가-힣]{1,5}동(?![가-힣])|(?:지하 ?)?[0-9]{1,3}층|"                       \
    "[A-Za-z]?[0-9]{1,5}호)){0,5})"

#define STREET                                                                 \
    "(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|"   \
    "Ct|Place|Pl|Square|Sq|Terrace|Crescent|Highway|Hwy|Parkway|Pkwy)"
/* ", Apt 5", ", Gangnam-gu", ", London", ", CA 94105", " SW1A 2AA" */
#define CITY                                                                   \
    "(?:,? (?:Apt|Suite|Unit|Floor|Ste)\\.? ?#?[0-9A-Za-z]{1,5})?"             \
    "(?:, ?[A-Z][A-Za-z]{1,20}(?:-[a-z]{1,5}| [A-Z][a-z]{1,15}){0,2}){0,3}"    \
    "(?:,? [A-Z]{2} [0-9]{5}(?:-[0-9]{4})?|,? [A-Z]{1,2}[0-9][0-9A-Z]? "       \
    "?[0-9][A-Z]{2}|,? [0-9]{5}(?![0-9]))?"

const rag_pii_rule rag_pii_rules[] = {
    {RAG_PII_EMAIL,
     "(?:(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}|[가-힣]{2,10})"
     " ?(?:@|\\(at\\)|\\[at\\]) ?(?:[A-Za-z0-9-]{1,63}\\.){1,4}"
     "(?:[A-Za-z]{2,24}(?![A-Za-z0-9])|한국)",
     0, NULL},
    /* 900101-1234567, 9001011234567, 900101-1****** */
    {RAG_PII_RESIDENT, B "([0-9]{6})(" O ")([1-8])(?:[0-9]{6}|[*xX#]{6})" E, 0,
     rag_pii_check_resident},
    {RAG_PII_ACCOUNT,
     "(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}"
     "(?: ?[A-Z0-9]{1,3})?(?![0-9A-Za-z])",
     0, rag_pii_check_iban},
    {RAG_PII_CARD,
     B "(?:[0-9]{4}" O "[0-9]{4}" O "[0-9]{4}" O "[0-9]{4}(?:" O
       "[0-9]{3})?|3[0-9]{3}" S "[0-9]{6}" S "[0-9]{4,5}|[0-9]{13,19})" E,
     0, rag_pii_check_card},
    /* +82 10-1234-5678, 0082 2 123 4567, +82 (0)10 1234 5678 */
    {RAG_PII_PHONE,
     "(?<![0-9A-Za-z])(?:\\+|00) ?82" O "(?:\\(0\\)|0)?" O
     "\\(?(?:1[016789]|2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50[2-8])\\)?" O
     "[0-9]{3,4}" O "[0-9]{4}" E,
     0, NULL},
    {RAG_PII_PHONE, B "01[016789]" O "[0-9]{3,4}" O "[0-9]{4}" E, 0,
     rag_pii_check_number},
    {RAG_PII_PHONE, B "\\(01[016789]\\) ?[0-9]{3,4}" O "[0-9]{4}" E, 0, NULL},
    {RAG_PII_PHONE,
     B "(?:\\(" AREA "\\)" O "|" AREA S "|" AREA "\\) ?)[2-9][0-9]{2,3}" S
       "[0-9]{4}" E,
     0, rag_pii_check_number},
    {RAG_PII_PHONE, B AREA "[2-9][0-9]{6,7}" E, 0, rag_pii_check_bare_phone},
    {RAG_PII_PHONE,
     "(?<![0-9A-Za-z+])\\+[1-9][0-9]{0,2}(?:" O
     "(?:\\([0-9]{1,5}\\)|[0-9]{1,5})){2,5}" E,
     0, rag_pii_check_international},
    /* (415) 555-2671, 1-415-555-2671 */
    {RAG_PII_PHONE,
     B "(?:1" S ")?(?:\\([2-9][0-9]{2}\\) ?|[2-9][0-9]{2}" S ")[2-9][0-9]{2}" S
       "[0-9]{4}" E,
     0, rag_pii_check_number},
    /* 020 7946 0958, 07911 123456, 01632 960983 */
    {RAG_PII_PHONE,
     B "(?:(?:020|\\(020\\)) [0-9]{4} [0-9]{4}|07[0-9]{3} [0-9]{6}|"
       "07[0-9]{3} [0-9]{3} [0-9]{3}|(?:01[2-9][0-9]{2}|"
       "\\(01[2-9][0-9]{2}\\)) [0-9]{6})" E,
     0, rag_pii_check_number},
    /* 11-12-345678-90, and before 2000 "서울 02-123456-78" */
    {RAG_PII_LICENCE,
     B "(?:1[1-9]|2[0-8])" S "[0-9]{2}" S "[0-9]{6}" S "[0-9]{2}" E, 0,
     rag_pii_check_number},
    {RAG_PII_LICENCE,
     "(?:서울|부산|대구|인천|광주|대전|울산|경기|강원|충북|충남|전북|전남|"
     "경북|경남|제주)[ -]?[0-9]{2}[- ][0-9]{6}[- ][0-9]{2}" E,
     0, NULL},
    {RAG_PII_LICENCE, B "(?:1[1-9]|2[0-8])[0-9]{10}" E, 0,
     rag_pii_check_bare_licence},
    /* M12345678; since 2021 M123A4567 */
    {RAG_PII_PASSPORT,
     "(?<![0-9A-Za-z-])(?:[MSRODG] ?[0-9]{8}|"
     "[MSRODG] ?[0-9]{3}[A-Z][0-9]{4})(?![0-9A-Za-z]|-[0-9A-Za-z])",
     RAG_PATTERN_CASELESS, rag_pii_check_passport},
    {RAG_PII_PASSPORT,
     "(?<![0-9A-Za-z-])[A-Z0-9]{6,9}"
     "(?![0-9A-Za-z]|-[0-9A-Za-z])",
     0, rag_pii_check_foreign_passport},
    {RAG_PII_BUSINESS, B "[0-9]{3}(" O ")[0-9]{2}" O "[0-9]{5}" E, 0,
     rag_pii_check_business},
    {RAG_PII_ACCOUNT, B "[0-9]{2,6}(?:" S "[0-9]{1,7}){2,3}" E, 0,
     rag_pii_check_account},
    {RAG_PII_ACCOUNT, B "[0-9]{8,16}" E, 0, rag_pii_check_bare_account},
    {RAG_PII_IP, B "(?:[0-9]{1,3}\\.){3}[0-9]{1,3}(?![0-9A-Za-z_]|\\.[0-9])", 0,
     rag_pii_check_ip4},
    {RAG_PII_IP,
     "(?<![0-9A-Za-z:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}"
     "(?![0-9A-Za-z:])",
     0, rag_pii_check_ip6},
    /* 서울특별시 강남구 테헤란로5길 152-3, 101동 1203호 */
    {RAG_PII_ADDRESS,
     "(?<![가-힣])(" SIDO " ?)?((?:" SGG " ?){0,2})(?:[가-힣]{1,5}[읍면] ?)?"
     "([가-힣0-9]{1,12}(?:로|길))(?: ?[0-9]{1,4}(번)?가?길)?"
     " ?(?:지하 ?)?[0-9]{1,5}(?:-[0-9]{1,4})?(?:번지)?" UNIT DETAIL,
     0, rag_pii_check_road},
    /* 서울 강남구 역삼동 737-1 */
    {RAG_PII_ADDRESS,
     "(?<![가-힣])(" SIDO " ?)?((?:" SGG " ?){0,2})([가-힣]{1,5}[읍면] ?)?"
     "([가-힣]{1,6}[0-9]{0,2}(?:동|리|가)) ?(?:산 ?)?"
     "[0-9]{1,5}(?:-[0-9]{1,4})?(번지)?" UNIT DETAIL,
     0, rag_pii_check_lot},
    /* 152, Teheran-ro 5-gil, Gangnam-gu, Seoul */
    {RAG_PII_ADDRESS,
     "(?<![0-9A-Za-z.,-])[0-9]{1,5}(?:-[0-9]{1,4})?,? "
     "[A-Z][A-Za-z]{1,20}(?:[0-9]{1,3})?-(?:ro|gil|daero)"
     "(?: [0-9]{1,4}(?:beon)?-gil)?" CITY,
     0, NULL},
    {RAG_PII_ADDRESS,
     "(?<![0-9A-Za-z.,$-])[0-9]{1,5}[A-Za-z]?(?:-[0-9]{1,4})? "
     "(?:[NSEW]\\.? )?(?:[A-Z][a-z']{1,20} |[0-9]{1,3}(?:st|nd|rd|th) "
     "){1,3}" STREET "\\b\\.?(?: [NSEW]{1,2}\\b)?" CITY,
     0, NULL},
};

const size_t rag_pii_nrules = sizeof rag_pii_rules / sizeof rag_pii_rules[0];
