"""Sets of ids that lie close together, in an eighth of a byte each."""

_PAGE = 1 << 13  # ids on one page


class IdSet:
    """Whole numbers from 0 up. Memory goes by the spread of the ids, not by their number."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def add(self, number: int) -> None:
        page, place = divmod(number, _PAGE)
        bits = self._pages.get(page)
        if bits is None:
            bits = self._pages[page] = bytearray(_PAGE // 8)
        bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        page, place = divmod(number, _PAGE)
        bits = self._pages.get(page)
        return bits is not None and bool(bits[place >> 3] & (1 << (place & 7)))
