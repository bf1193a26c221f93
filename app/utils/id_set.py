"""A sparse bitmap of integer ids: one bit per id."""

_PAGE = 1 << 13  # ids per page


class IdSet:
    """A set of non-negative integers. Memory grows with the range of the ids, not with their count."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def add(self, number: int) -> None:
        page, offset = divmod(number, _PAGE)
        bits = self._pages.get(page)
        if bits is None:
            bits = self._pages[page] = bytearray(_PAGE // 8)
        bits[offset >> 3] |= 1 << (offset & 7)

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        page, offset = divmod(number, _PAGE)
        bits = self._pages.get(page)
        return bits is not None and bool(bits[offset >> 3] & (1 << (offset & 7)))
