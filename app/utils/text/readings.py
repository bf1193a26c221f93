"""Other readings of a search query: seasons, Cyrillic as romaji or English, wrong keyboard layout."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_CYRILLIC = re.compile(r"[а-яё]")
_LATIN = re.compile(r"[a-z]")

_QWERTY = "`qwertyuiop[]asdfghjkl;'zxcvbnm,."
_YCUKEN = "ёйцукенгшщзхъфывапролджэячсмитьбю"
_TO_YCUKEN = str.maketrans(_QWERTY + '~{}:"<>', _YCUKEN + "ёхъжэбю")
_TO_QWERTY = str.maketrans(_YCUKEN, _QWERTY)

# The longest match wins. Both Polivanov's and the fans' transcription of Japanese, to Hepburn romaji.
_KANA = {
    "дзя": "ja", "дзю": "ju", "дзё": "jo", "дзе": "jo", "дзи": "ji", "дзу": "zu", "джя": "ja", "джю": "ju",
    "джё": "jo", "дж": "j", "тя": "cha", "тю": "chu", "тё": "cho", "ти": "chi", "чя": "cha", "чю": "chu",
    "чё": "cho", "сья": "sha", "сю": "shu", "ся": "sha", "сё": "sho", "си": "shi", "щи": "shi",
    "ши": "shi", "ця": "tsa", "цу": "tsu", "дз": "z", "тс": "ts", "кх": "kh", "ьё": "yo", "ье": "e",
    "ью": "yu", "ья": "ya", "ъё": "yo", "йо": "yo", "йю": "yu", "йя": "ya", "йё": "yo", "жи": "ji",
    "жу": "ju", "жо": "jo", "жа": "ja", "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e",
    "ё": "yo", "ж": "j", "з": "z", "и": "i", "й": "i", "к": "k", "л": "r", "м": "m", "н": "n", "о": "o",
    "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "h", "ц": "ts", "ч": "ch", "ш": "sh",
    "щ": "sh", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya",
}  # fmt: skip
_KANA_PARTS = re.compile("|".join(sorted(map(re.escape, _KANA), key=len, reverse=True)))
_LETTERS = {**{key: value for key, value in _KANA.items() if len(key) == 1}, "л": "l", "й": "y", "х": "kh"}
_LETTERS |= {"ж": "zh", "щ": "shch"}

_SEASON_WORD = r"(?:season|сезон|часть|part|cour|тв|tv)"
_NUMBER = r"(?P<{}>[2-9]|1[0-2]|second|third|fourth|fifth|ii|iii|iv|v|vi|второй|третий|вторая|третья)"
_SEASONS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^(?P<base>.*\S)[\s:.,-]+{_SEASON_WORD}[\s-]*{_NUMBER.format('n')}$",
        rf"^(?P<base>.*\S)[\s:.,-]+{_NUMBER.format('n')}(?:st|nd|rd|th|-?й|-?я|-?ый)?[\s-]+{_SEASON_WORD}$",
        rf"^(?P<base>.*\S)[\s:.,-]+(?:s|с)0?{_NUMBER.format('n')}$",
        rf"^(?P<base>.*?\S)\s*第?\s*{_NUMBER.format('n')}\s*期$",
        rf"^(?P<base>.*[^\W\d]\S*)\s+{_NUMBER.format('n')}$",
    )
]
_WORDS_OF_NUMBERS = {
    "second": 2, "third": 3, "fourth": 4, "fifth": 5, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6,
    "второй": 2, "третий": 3, "вторая": 2, "третья": 3,
}  # fmt: skip
_ROMAN = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_ORDINAL = ("", "first", "second", "third", "fourth", "fifth")


@dataclass(frozen=True, slots=True)
class Season:
    """A query that names a season.

    The title without it, and the ways to write that season after the title.
    """

    base: str
    endings: tuple[str, ...]


def season(text: str) -> Season | None:
    """Recognise ``Season 2``, ``2nd season``, ``II``, ``S2``, ``часть 2`` and a trailing 2.

    None for season 1 or none.
    """
    for pattern in _SEASONS:
        if match := pattern.match(text.strip()):
            if not re.sub(_SEASON_WORD, "", match["base"].lower()).strip(" :.,-"):
                return None
            word = match["n"].lower()
            number = _WORDS_OF_NUMBERS.get(word) or int(word)
            return Season(match["base"].strip(" :.,-"), _endings(number))
    return None


def _endings(number: int) -> tuple[str, ...]:
    suffix = {2: "nd", 3: "rd"}.get(number, "th")
    named = [f"{_ORDINAL[number]} season"] if number < len(_ORDINAL) else []
    return (
        f"season {number}", f"{number}{suffix} season", *named, str(number), _ROMAN[number], f"s{number}",
        f"part {number}", f"{number} сезон", f"сезон {number}", f"часть {number}", f"тв {number}",
        f"第{number}期", f"{number}期",
    )  # fmt: skip


def is_cyrillic(text: str) -> bool:
    return _CYRILLIC.search(text.lower()) is not None


def romanised(text: str) -> list[str]:
    """Romanise a Cyrillic text: once as transcribed Japanese, once letter by letter.

    Empty for other scripts.
    """
    folded = text.lower()
    if not _CYRILLIC.search(folded):
        return []
    japanese = _KANA_PARTS.sub(lambda part: _KANA[part[0]], folded)
    plain = "".join(_LETTERS.get(letter, letter) for letter in folded)
    return list(dict.fromkeys([japanese, plain]))


def other_layouts(text: str) -> list[str]:
    """The same keystrokes in the other layout of Russian and English; none for a mixed text or other scripts.

    Also with single letters unchanged, if there are any: they are often a part of a title in Latin letters.
    """
    folded = text.lower()
    is_cyrillic, is_latin = bool(_CYRILLIC.search(folded)), bool(_LATIN.search(folded))
    if is_cyrillic == is_latin:
        return []
    words = folded.split(" ")
    swapped = [word.translate(_TO_QWERTY if is_cyrillic else _TO_YCUKEN) for word in words]
    kept = [word if len(word) == 1 else other for word, other in zip(words, swapped, strict=True)]
    return list(dict.fromkeys([" ".join(swapped), " ".join(kept)]))


# Romanisations that sound alike; each replacement applies to the result of the one before. search_sound() in
# PostgreSQL takes the same steps.
SOUNDS = (
    ("jy", "j"), ("zy", "j"), ("dj", "j"), ("dz", "z"), ("tch", "ch"), ("sy", "sh"), ("ty", "ch"),
    ("kio", "kyo"), ("kiu", "kyu"), ("gio", "gyo"), ("rio", "ryo"), ("hio", "hyo"), ("nio", "nyo"),
    ("ohh", "oh"), ("ou", "o"), ("oo", "o"), ("uu", "u"), ("aa", "a"), ("ii", "i"), ("ei", "e"), ("ee", "e"),
    ("shi", "si"), ("sh", "s"), ("chi", "ti"), ("ch", "t"), ("tsu", "tu"), ("ts", "t"), ("wo", "o"),
    ("mb", "nb"), ("mp", "np"), ("ky", "k"), ("gy", "g"), ("ny", "n"), ("hy", "h"), ("by", "b"), ("py", "p"),
    ("my", "m"), ("ry", "r"), ("jo", "zo"),
    ("bb", "b"), ("dd", "d"), ("gg", "g"), ("kk", "k"), ("mm", "m"), ("nn", "n"), ("pp", "p"), ("rr", "r"),
    ("ss", "s"), ("tt", "t"), ("ll", "l"), ("zz", "z"),
)  # fmt: skip
SOUND_LETTERS = ("lvfj", "rbhz")


def sound(text: str) -> str:
    """A phonetic key of lower-case romaji.

    One spelling per sound, without long vowels and doubled letters.
    """
    for spelling, other in SOUNDS:
        text = text.replace(spelling, other)
    return text.translate(str.maketrans(*SOUND_LETTERS))


# Consonants of English words by their sound, in capitals; search_consonants() in PostgreSQL takes the same
# steps. Every word has a space before it. A vowel at its beginning becomes A, other vowels are dropped.
CONSONANTS = (
    ("cce", "kse"), ("cci", "ksi"), ("bb", "b"), ("cc", "c"), ("dd", "d"), ("ff", "f"), ("gg", "g"),
    ("kk", "k"), ("ll", "l"), ("mm", "m"), ("nn", "n"), ("pp", "p"), ("rr", "r"), ("ss", "s"), ("tt", "t"),
    ("zz", "z"), (" psych", " sK"), ("tch", "C"), ("sch", "SK"), ("chr", "KR"), ("ch", "C"), ("sh", "X"),
    ("ght", "T"), (" gh", " G"), ("gh", ""), ("ph", "F"), ("th", "S"), (" kn", " N"), (" wr", " R"),
    ("wh", "w"), ("ck", "K"), ("qu", "KV"), ("x", "KS"), ("tion", "XN"), ("sion", "XN"), ("ture", "CR"),
    ("sce", "S"), ("sci", "S"), ("ce", "S"), ("ci", "S"), ("cy", "S"), ("c", "K"), ("dge", "G"), ("ts", "S"),
    ("e", "a"), ("i", "a"), ("o", "a"), ("u", "a"), ("y", "a"), (" a", " A"), ("wa", "V"), ("w", ""),
    ("a", ""),
)  # fmt: skip
CONSONANT_LETTERS = ("bdfghjklmnpqrstvz", "BDFGHGKLMNPKRSTVS")

_DOUBLED = re.compile(r"(.)\1")
_RUSSIAN_VOWELS = "аеёиоуыэюя"
_RUSSIAN_CONSONANTS = (
    (re.compile(r"^(?:х|икс)$"), "KS"),
    (re.compile(r"^хр"), "KR"),
    (re.compile(rf"у(?=[{_RUSSIAN_VOWELS}])"), "V"),  # the English w
    (re.compile(rf"^[{_RUSSIAN_VOWELS}й]"), "A"),
    (re.compile(r"дж|ж"), "G"),
    (re.compile(r"тч|ч"), "C"),
    (re.compile(r"[шщ]"), "X"),
    (re.compile(r"тс|ц"), "S"),
    (re.compile(rf"[{_RUSSIAN_VOWELS}йьъ]"), ""),
)
_RUSSIAN_CONSONANT_LETTERS = str.maketrans("бвгдзклмнпрстфх", "BVGDSKLMNPRSTFH")


def consonants(words: Iterable[str]) -> str:
    """The consonants of lower-case words, English or English in Cyrillic letters, to compare these two.

    "чейнсо мен" and "chainsaw man" are both ``CNS MN``.
    """
    return " ".join(filter(None, map(_consonants_of, words)))


def _consonants_of(word: str) -> str:
    if is_cyrillic(word):
        word = _DOUBLED.sub(r"\1", word)
        for spelling, sound_ in _RUSSIAN_CONSONANTS:
            word = spelling.sub(sound_, word)
        return word.translate(_RUSSIAN_CONSONANT_LETTERS)
    word = f" {word}"
    for letters, sound_ in CONSONANTS:
        word = word.replace(letters, sound_)
    return word.translate(str.maketrans(*CONSONANT_LETTERS)).strip()
