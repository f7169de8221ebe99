"""Letters as strokes, for pictures that are drawn without any font: a grid 4 wide, capitals from 0 to 6.

Each pair of digits is a point x, y; y grows downwards, small letters begin at 2, descenders end at 8.
"""

from __future__ import annotations

GAP, NARROW = 1.7, 0.88
"""Room between two letters, and how much narrower than the grid they are drawn."""
HEIGHT = 6.0
GLYPHS = {
    " ": "",
    "0": "103041453616050110",
    "1": "112026 1636",
    "2": "01103041420646",
    "3": "004022324345361605",
    "4": "36300444",
    "5": "4000023243453616 1605",
    "6": "4030100105163645433202",
    "7": "004016",
    "8": "103041423313020110 13040516364544 4433",
    "9": "423313020110304145361605",
    "A": "062046 1434",
    "B": "00063645443303 0030414233",
    "C": "4130100105163645",
    "D": "00062644422000",
    "E": "40000646 0333",
    "F": "400006 0333",
    "G": "41301001051636454323",
    "H": "0006 4046 0343",
    "I": "1030 2026 1636",
    "J": "4045361605",
    "K": "0006 400346",
    "L": "000646",
    "M": "0600234046",
    "N": "06004640",
    "O": "103041453616050110",
    "P": "06003041423303",
    "Q": "103041453616050110 3446",
    "R": "06003041423303 2346",
    "S": "413010010213334445361605",
    "T": "0040 2026",
    "U": "000516364540",
    "V": "002640",
    "W": "0016233640",
    "X": "0046 4006",
    "Y": "002340 2326",
    "Z": "00400646",
    "a": "12324346 441405163645",
    "b": "0006 0312324345361605",
    "c": "4332120305163645",
    "d": "4046 4332120305163645",
    "e": "04444332120305163645",
    "f": "40302126 1242",
    "g": "4247381807 4332120305163645",
    "h": "0006 0312324346",
    "i": "2020 2226",
    "j": "3030 32372818",
    "k": "0006 4204 2346",
    "l": "202536",
    "m": "0206 03122326 23324346",
    "n": "0206 0312324346",
    "o": "123243453616050312",
    "p": "0208 0312324345361605",
    "q": "4248 4332120305163645",
    "r": "0206 03123243",
    "s": "43321203143445361605",
    "t": "10152636 0232",
    "u": "0205163645 4246",
    "v": "022642",
    "w": "0216243642",
    "x": "0246 4206",
    "y": "0225 4218",
    "z": "02420646",
    "µ": "0208 05163645 4246",
    ".": "2626",
    ",": "252617",
    ":": "2323 2626",
    ";": "2323 252617",
    "(": "30121436",
    ")": "10323416",
    "-": "1434",
    "+": "1434 2325",
    "/": "4006",
    "%": "4006 0010110100 3545463635",
    "=": "0343 0545",
    "'": "2022",
}
_UNKNOWN = "0040460600"


def strokes_of(text: str) -> list[list[tuple[float, float]]]:
    """The lines of a text that begins at 0, 0; a letter without strokes of its own is a box."""
    lines, at = [], 0.0
    for letter in text:
        strokes, left, width = _glyph(letter)
        lines += [[(at + NARROW * (x - left), float(y)) for x, y in stroke] for stroke in strokes]
        at += NARROW * width + GAP
    return lines


def width_of(text: str) -> float:
    """Width in the units of the grid."""
    return max(0.0, sum(NARROW * _glyph(letter)[2] + GAP for letter in text) - GAP)


def _glyph(letter: str) -> tuple[list[list[tuple[int, int]]], int, int]:
    """Strokes of a letter, where it begins, and its width."""
    strokes = [
        [(int(digits[at]), int(digits[at + 1])) for at in range(0, len(digits), 2)]
        for digits in GLYPHS.get(letter, _UNKNOWN).split()
    ]
    places = [x for stroke in strokes for x, _ in stroke] or [0, 1]
    return strokes, min(places), max(places) - min(places)
