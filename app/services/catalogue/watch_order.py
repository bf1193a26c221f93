"""The watch order of a franchise; the same whichever of its titles is requested."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from app.schemas.domain.relations import (
    INVERSES,
    Franchise,
    RelatedTitle,
    RelationType,
    Step,
    Tie,
    WatchPlan,
    WatchRole,
    WatchSort,
)
from app.services.catalogue.franchise import (
    Line,
    Ties,
    continuities,
    earliest,
    in_order,
    is_extra,
    lines,
    reversed_steps,
)
from app.services.catalogue.relations import Edge

_RECAP = re.compile(r"\b(recaps?|soushuuhen|compilation|digest)\b|総集編", re.IGNORECASE)
_ALWAYS: frozenset[WatchRole] = frozenset({"main", "side"})


def plan(
    asked: int,
    titles: Mapping[int, RelatedTitle],
    edges: Iterable[Edge],
    *,
    sort: WatchSort = "release",
    include: Collection[WatchRole] = (),
) -> WatchPlan:
    """The watch order of the franchise of ``asked``; all ids are MyAnimeList's.

    ``titles`` are the franchise's titles in the catalogue, ``edges`` all relations among them and to missing
    titles. The main line and side stories are always included, other roles if they are in ``include``.
    """
    parts = continuities(Ties.of(titles, edges))
    own = next(part for part in parts if asked in part.ids)
    order = _Order(own)
    shown = _ALWAYS | set(include)
    related = [_Order(part).franchise for part in parts if part is not own]
    return WatchPlan(
        franchise=order.franchise,
        steps=order.steps(order.main, "main", sort, shown),
        alternatives=tuple(
            order.steps(line, "alternative", sort, shown | {"alternative"}) for line in order.alternatives
        ),
        related=tuple(sorted(related, key=lambda part: (-part.size, part.mal_id))),
    )


class _Order:
    """One continuity: the line, role and anchor of each title."""

    def __init__(self, ties: Ties) -> None:
        self._ties = ties
        self._recaps = ties.recaps
        self._neighbours = _known_neighbours(ties)
        (self.main, *others), next_ = lines(ties)
        self._firsts = earliest(next_, ties)
        self._before = {
            id_: before for line in (self.main, *others) for id_, before in reversed_steps(line.next).items()
        }
        self.alternatives: list[Line] = []
        self._role: dict[int, WatchRole] = dict.fromkeys(self.main.ids, "main")
        self._trunk: dict[int, Line] = dict.fromkeys(self.main.ids, self.main)
        self._attached_to: dict[int, int] = {}
        self._anchored: dict[int, set[int]] = {}
        self._place(others)

    @property
    def franchise(self) -> Franchise:
        return Franchise(min(self.main.ids, key=self._ties.released), len(self._ties.titles))

    def steps(
        self, trunk: Line, role: WatchRole, sort: WatchSort, shown: Collection[WatchRole]
    ) -> tuple[Step, ...]:
        """A trunk line with the titles attached to it."""
        spine = list(in_order(trunk.next, self._ties))
        attached = [
            id_
            for id_, line in self._trunk.items()
            if line is trunk and id_ not in trunk.ids and self._role[id_] in shown
        ]
        attached.sort(key=self._ties.released)
        if sort == "release":
            ordered = sorted([*spine, *attached], key=self._ties.released)
        else:
            ordered = self._attach(spine, attached)
        return tuple(
            Step(
                id_,
                role if id_ in trunk.ids else self._role[id_],
                self._firsts.get(id_, "9")[0] < self._ties.released(id_)[0],
                self._reason(id_, trunk),
            )
            for id_ in ordered
        )

    def _place(self, others: list[Line]) -> None:
        """Assign a role to each line, breadth first from the main line.

        At equal distance by first release.
        """
        line_of = {id_: line for line in others for id_ in line.ids}
        waiting, reached = dict.fromkeys(others), set(self.main.ids)
        while waiting:
            near = {line_of[other] for id_ in reached for other in self._neighbours[id_] if other in line_of}
            turn = sorted(near & waiting.keys(), key=lambda line: line.start) or [*waiting]
            contacts = [self._contacts(line) for line in turn]
            for line, found in zip(turn, contacts, strict=True):
                self._settle(line, found)
                del waiting[line]
            reached = {id_ for line in turn for id_ in line.ids}

    def _contacts(self, line: Line) -> list[tuple[int, int]]:
        """Pairs of a title of the line and a neighbour that has a role already."""
        return [(id_, other) for id_ in line.ids for other in self._neighbours[id_] if other in self._role]

    def _settle(self, line: Line, contacts: list[tuple[int, int]]) -> None:
        kinds = {self._ties.kind(one, two) or "parent_story" for one, two in contacts}
        nearest = sorted(contacts, key=lambda pair: (self._trunk[pair[1]] is not self.main, *self._age(pair)))
        trunk = self._trunk[nearest[0][1]] if nearest else self.main
        role = self._role_of(line, kinds, nearest)
        if role == "alternative":
            trunk = line
            self.alternatives.append(line)
        for id_ in line.ids:
            self._role[id_] = role
            self._trunk[id_] = trunk
            anchors = [two for one, two in nearest if one == id_] or [two for _, two in nearest]
            if anchors:
                self._attached_to[id_] = anchors[0]

    def _age(self, pair: tuple[int, int]) -> tuple[bool, tuple[str, int]]:
        """Sort key of a pair: anchors released before the title come first."""
        one, two = map(self._ties.released, pair)
        return two > one, two

    def _role_of(self, line: Line, kinds: set[RelationType], nearest: list[tuple[int, int]]) -> WatchRole:
        titles = [self._ties.titles[id_] for id_ in line.ids]
        if line.ids <= self._recaps or all(_RECAP.search(title.card.title) for title in titles):
            return "recap"
        if "spin_off" in kinds or (nearest and self._role[nearest[0][1]] == "spin_off"):
            return "spin_off"
        if all(map(is_extra, titles)):
            return "special"
        if kinds & {"alternative_version", "sequel"}:
            return "alternative"
        return "spin_off" if "alternative_setting" in kinds else "side"

    def _attach(self, spine: list[int], attached: Iterable[int]) -> list[int]:
        """Insert each title of ``attached`` after its last anchor that was released before it."""
        place = {id_: number for number, id_ in enumerate(spine)}
        self._anchored.clear()
        after: dict[int, list[int]] = defaultdict(list)
        for id_ in attached:
            anchors = sorted(place[other] for other in self._anchors(id_, place))
            before = [n for n in anchors if self._ties.released(spine[n]) <= self._ties.released(id_)]
            after[(before or anchors or [len(spine) - 1])[-1 if before else 0]].append(id_)
        return [id_ for number, main in enumerate(spine) for id_ in (main, *after[number])]

    def _anchors(self, id_: int, place: Mapping[int, int]) -> set[int]:
        """The titles of the spine that this one is related to, directly or through what it is attached to."""
        way = []
        while id_ not in place and id_ not in self._anchored:
            way.append(id_)
            self._anchored[id_] = {other for other in self._neighbours[id_] if other in place}
            if self._anchored[id_]:
                break
            id_ = self._attached_to.get(id_, id_)
        anchors = {id_} if id_ in place else self._anchored[id_]
        for attached in way:
            self._anchored[attached] = anchors
        return anchors

    def _reason(self, id_: int, trunk: Line) -> Tie | None:
        if before := self._before.get(id_):
            return Tie("sequel", max(before, key=self._ties.released))
        if id_ in self._attached_to:
            return self._tie(id_, self._attached_to[id_])
        if trunk.next.get(id_) and id_ != min(trunk.ids, key=self._ties.released):
            return Tie("prequel", min(trunk.next[id_], key=self._ties.released))
        return None

    def _tie(self, id_: int, other: int) -> Tie | None:
        kind = self._ties.kind(id_, other)
        if kind is None:  # attached through a title that the catalogue does not have
            return None
        if kind == "sequel":
            return Tie("sequel" if id_ in self._ties.next.get(other, ()) else "prequel", other)
        if (id_, other) in self._ties.below and kind != "spin_off":
            return Tie(INVERSES[kind], other)
        return Tie("parent_story" if (other, id_) in self._ties.below and kind == "spin_off" else kind, other)


def _known_neighbours(ties: Ties) -> dict[int, list[int]]:
    """The related titles of each title, looking through titles that the catalogue does not have."""
    direct = ties.neighbours()
    found: dict[int, list[int]] = {}
    for id_ in ties.titles:
        known: list[int] = []
        seen, queue = {id_}, [id_]
        while queue:
            for other in direct[queue.pop()]:
                if other not in seen:
                    seen.add(other)
                    (known if other in ties.titles else queue).append(other)
        found[id_] = sorted(known)
    return found
