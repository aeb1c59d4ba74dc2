"""A typist who strikes one key wrong, the same one each time.

slip(text, seed) mistypes one word: a key left out, twice, the one beside it,
or two swapped. Korean is typed on a two-set keyboard and composed as one
would, so that a wrong key may move letters into the next syllable.
"""
import hashlib

INITIAL = "r R s e E f a q Q t T d w W c z x v g".split()
MEDIAL = "k o i O j p u P h hk ho hl y n nj np nl b m ml l".split()
FINAL = [""] + ("r R rt s sw sg e f fr fa fq ft fx fv fg a q qt t T d w c z "
                "x v g").split()
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
VOWELS = [k for k in MEDIAL if len(k) == 1]
LONE = dict(zip(INITIAL + VOWELS,
                "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎㅏㅐㅑㅒㅓㅔㅕㅖㅗㅛㅜㅠㅡㅣ"))


def keys(word):
    out = []
    for ch in word:
        at = ord(ch) - 0xAC00
        if 0 <= at < 11172:
            out += (INITIAL[at // 588] + MEDIAL[at // 28 % 21] +
                    FINAL[at % 28])
        else:
            out.append(ch)
    return out


def compose(struck):
    """What the keyboard makes of the keys."""
    out, i, n = [], 0, len(struck)
    while i < n:
        first = struck[i]
        if not (first in INITIAL and i + 1 < n and struck[i + 1] in VOWELS):
            out.append(LONE.get(first, first))
            i += 1
            continue
        middle = struck[i + 1]
        i += 2
        if i < n and middle + struck[i] in MEDIAL:
            middle += struck[i]
            i += 1
        last = ""
        while (i < n and struck[i] in INITIAL and last + struck[i] in FINAL and
               not (i + 1 < n and struck[i + 1] in VOWELS)):
            last += struck[i]
            i += 1
        out.append(chr(0xAC00 + (INITIAL.index(first) * 21 +
                                 MEDIAL.index(middle)) * 28 +
                       FINAL.index(last)))
    return "".join(out)


def beside(key):
    for row in ROWS:
        at = row.find(key.lower())
        if at >= 0:
            return row[at + 1] if at + 1 < len(row) else row[at - 1]
    return key


def mistype(struck, kind, at):
    k = list(struck)
    if kind == 0:
        del k[at]
    elif kind == 1:
        k.insert(at, k[at])
    elif kind == 2:
        k[at] = beside(k[at])
    else:
        k[at - 1], k[at] = k[at], k[at - 1]
    return k


def slip(text, seed):
    h = int.from_bytes(hashlib.sha256(("%s/%s" % (seed, text)).encode())
                       .digest()[:8], "big")
    words = text.rstrip("?.! ").split(" ")
    able = [i for i, w in enumerate(words)
            if w.isalpha() and len(w) > (1 if ord(w[0]) > 255 else 3)]
    i, h = able[h % len(able)], h // len(able)
    korean = ord(words[i][0]) >= 0xAC00
    struck = keys(words[i]) if korean else list(words[i])
    at = 1 + h // 4 % (len(struck) - 1)
    for turn in range(4):
        wrong = mistype(struck, (h + turn) % 4, at)
        wrong = compose(wrong) if korean else "".join(wrong)
        if wrong != words[i]:
            break
    words[i] = wrong
    return " ".join(words) + "?"
