"""A franchise as a graph: its continuities, and the lines of titles to watch in sequence."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush
from itertools import pairwise

from app.schemas.domain.relations import RelatedTitle, RelationType
from app.services.catalogue.relations import Edge, released

TIES: frozenset[RelationType] = frozenset({
    "sequel", "prequel", "side_story", "parent_story", "summary", "full_story", "alternative_version",
    "spin_off", "alternative_setting",
})  # fmt: skip
"""What makes titles a franchise; characters in common, adaptations and the rest do not."""

_LOOSE = frozenset({"spin_off", "alternative_setting"})
_LARGE = 60  # titles; larger franchises are split at their loose relations
_MUCH_LONGER = 1.5  # a later version of a story precedes the first if it is this much longer
_SHORT_STORY = 4  # a line this many times longer than another is not its side story
_EXTRA_TYPES = frozenset({"Special", "CM", "PV", "Music"})
_EPISODE_MINUTES = {"Movie": 90.0, "Music": 4.0, "CM": 1.0, "PV": 2.0}
_HOURS = frozenset({"Movie", "OVA", "TV Special"})
_MOST_HOURS = 3  # some dumps give the duration in hours as minutes: up to this many for these types

# If a pair of titles has several relations, the first of these counts.
_KINDS: tuple[RelationType, ...] = (
    "full_story", "sequel", "spin_off", "alternative_version", "alternative_setting", "parent_story",
)  # fmt: skip
_FORWARD: Mapping[RelationType, RelationType] = {
    "prequel": "sequel",
    "summary": "full_story",
    "side_story": "parent_story",
}


@dataclass(frozen=True, slots=True)
class Ties:
    """The relations between titles, one per pair.

    ``kinds`` are by pair, smaller id first: ``sequel``, ``full_story`` (one is a summary), ``parent_story``
    (one is a side story), ``spin_off``, ``alternative_version``, ``alternative_setting``. ``below`` has pairs
    of a summary, side story or spin-off and its parent. ``next`` are the sequels of each title.
    """

    titles: Mapping[int, RelatedTitle]
    kinds: dict[tuple[int, int], RelationType] = field(default_factory=dict)
    below: set[tuple[int, int]] = field(default_factory=set)
    next: dict[int, set[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, titles: Mapping[int, RelatedTitle], edges: Iterable[Edge]) -> "Ties":
        found: dict[tuple[int, int], list[Edge]] = defaultdict(list)
        for edge in edges:
            if edge.type in TIES:
                found[_pair(edge.from_id, edge.to_id)].append(edge)
        ties = cls(titles)
        for pair, both in sorted(found.items()):
            ties._note(pair, both)
        return ties

    def _note(self, pair: tuple[int, int], both: list[Edge]) -> None:
        kinds = {_FORWARD.get(edge.type, edge.type) for edge in both}
        kind = min(kinds, key=_KINDS.index)
        self.kinds[pair] = kind
        for edge in both:
            if _FORWARD.get(edge.type, edge.type) != kind:
                continue
            if edge.type in ("sequel", "prequel"):
                first, second = (edge.from_id, edge.to_id)[:: 1 if edge.type == "sequel" else -1]
                self.next.setdefault(first, set()).add(second)
            elif edge.type in ("summary", "side_story", "spin_off"):
                self.below.add((edge.to_id, edge.from_id))
            elif edge.type in ("full_story", "parent_story"):
                self.below.add((edge.from_id, edge.to_id))

    @property
    def ids(self) -> set[int]:
        return {id_ for pair in self.kinds for id_ in pair} | self.titles.keys()

    @property
    def recaps(self) -> set[int]:
        """Titles that are a summary of another."""
        return {one for one, two in self.below if self.kind(one, two) == "full_story"}

    def kind(self, one: int, two: int) -> RelationType | None:
        return self.kinds.get(_pair(one, two))

    def neighbours(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {id_: [] for id_ in sorted(self.ids)}
        for one, two in self.kinds:
            found[one].append(two)
            found[two].append(one)
        return found

    def released(self, id_: int) -> tuple[str, int]:
        title = self.titles.get(id_)
        return released(id_, None if title is None else title.aired_from)

    def among(self, ids: Collection[int]) -> "Ties":
        """The relations restricted to these ids."""
        return Ties(
            {id_: title for id_, title in self.titles.items() if id_ in ids},
            {pair: kind for pair, kind in self.kinds.items() if pair[0] in ids and pair[1] in ids},
            {pair for pair in self.below if pair[0] in ids and pair[1] in ids},
            {id_: {more for more in after if more in ids} for id_, after in self.next.items() if id_ in ids},
        )


def continuities(ties: Ties) -> list[Ties]:
    """The franchise as one part; a large one is split into parts connected by close relations."""
    if len(ties.titles) <= _LARGE:
        return [ties]
    tight = {pair: kind for pair, kind in ties.kinds.items() if kind not in _LOOSE}
    neighbours = Ties(ties.titles, tight).neighbours()
    left, parts = set(ties.ids), []
    while left:
        part, queue = set[int](), [min(left)]
        while queue:
            id_ = queue.pop()
            if id_ not in part:
                part.add(id_)
                queue += neighbours.get(id_, ())
        left -= part
        parts.append(ties.among(part))
    return [part for part in parts if part.titles]


@dataclass(eq=False, slots=True)
class Line:
    """Titles to watch in sequence, and the sequels of each."""

    ids: set[int]
    next: dict[int, set[int]]
    minutes: float
    start: tuple[str, int]

    @classmethod
    def of(cls, ids: Collection[int], next_: Mapping[int, set[int]], ties: Ties) -> "Line":
        members = set(ids)
        inside = {id_: next_.get(id_, set()) & members for id_ in members}
        minutes = sum(minutes_of(ties.titles[id_]) for id_ in ids if id_ in ties.titles)
        return cls(members, inside, minutes, min(map(ties.released, ids)))


def lines(ties: Ties) -> tuple[list[Line], dict[int, set[int]]]:
    """Partition a continuity into lines, the main line first; also returns the sequels of each title.

    Two versions of one story are never in one line; each recap is a line of its own.
    """
    apart = ties.recaps
    next_, bridged = _bridged(ties, apart)
    _break_cycles(next_, ties)
    _reduce(next_)
    rivals = _rivals(ties)
    groups = [*_joined(_segments(next_, rivals), rivals, next_, ties)]
    groups += ({id_} for id_ in sorted(apart | bridged))
    found = [Line.of(group, next_, ties) for group in groups if group & ties.titles.keys()]
    main = _main(found, apart | bridged, ties)
    others = sorted((line for line in found if line is not main), key=lambda line: line.start)
    return [main, *others], next_


def is_extra(title: RelatedTitle) -> bool:
    """Whether it is a special, a clip, or at most ten minutes long."""
    if title.type in _EXTRA_TYPES:
        return True
    return title.type not in ("TV", "Movie") and title.minutes is not None and title.minutes <= 10


def minutes_of(title: RelatedTitle) -> float:
    """The total watch time of a title; estimated from its type if unknown."""
    minutes = title.minutes or _EPISODE_MINUTES.get(title.type or "", 24.0)
    if title.type in _HOURS and minutes <= _MOST_HOURS:
        minutes *= 60
    return minutes * (title.card.episodes or (12 if title.type == "TV" else 1))


def _pair(one: int, two: int) -> tuple[int, int]:
    return (one, two) if one < two else (two, one)


def _bridged(ties: Ties, apart: Collection[int]) -> tuple[dict[int, set[int]], set[int]]:
    """The sequels of every title of a line, skipping recaps, unknown titles and alternative episodes.

    An alternative episode is a special that is another version of a longer title and has a sequel; its sequel
    follows the longer title. Also returns those episodes.
    """
    next_ = {id_: set(ties.next.get(id_, ())) for id_ in sorted(ties.ids)}
    before = reversed_steps(next_)
    bridged: set[int] = set()
    for id_ in sorted(ties.ids):
        fore = set(before[id_])
        if not fore and next_[id_] and (whole := _longer_version(id_, ties)):
            bridged.add(id_)
            fore = {whole}
        if id_ in ties.titles and id_ not in apart and id_ not in bridged:
            continue
        after = next_.pop(id_)
        for one in before[id_]:
            next_[one].discard(id_)
        for one in fore & next_.keys():
            next_[one] |= after - {one}
        for two in after:
            before[two] = (before[two] - {id_}) | (fore - {two})
    return next_, bridged


def _longer_version(id_: int, ties: Ties) -> int | None:
    """The longer title that a special is an alternative version of."""
    title = ties.titles.get(id_)
    if title is None or title.type != "Special":
        return None
    whole = [
        other
        for other in ties.titles
        if ties.kind(id_, other) == "alternative_version"
        and minutes_of(ties.titles[other]) > _SHORT_STORY * minutes_of(title)
    ]
    return min(whole, key=ties.released, default=None)


def reversed_steps(next_: Mapping[int, set[int]]) -> dict[int, set[int]]:
    """The prequels of each title."""
    before: dict[int, set[int]] = {id_: set() for id_ in next_}
    for id_, after in next_.items():
        for other in after:
            before.setdefault(other, set()).add(id_)
    return before


def _break_cycles(next_: dict[int, set[int]], ties: Ties) -> None:
    """Remove from each cycle the step that goes back furthest in time."""

    def day(id_: int) -> int:
        year, month, day = ties.released(id_)[0].split("-")
        return (int(year) * 12 + int(month)) * 31 + int(day)

    while True:
        try:
            TopologicalSorter({id_: sorted(next_[id_]) for id_ in sorted(next_)}).prepare()
        except CycleError as error:
            cycle: list[int] = error.args[1]  # each title is a sequel of the next one
            steps = [(two, one) for one, two in pairwise(cycle)]
            first, second = max(steps, key=lambda step: (day(step[0]) - day(step[1]), step))
            next_[first].discard(second)
        else:
            return


def earliest(next_: Mapping[int, set[int]], ties: Ties) -> dict[int, tuple[str, int]]:
    """For each title the earliest release among itself and all its direct and indirect sequels."""
    found: dict[int, tuple[str, int]] = {}
    for id_ in TopologicalSorter(next_).static_order():  # sequels first
        found[id_] = min([ties.released(id_), *(found[other] for other in next_.get(id_, ()))])
    return found


def in_order(next_: Mapping[int, set[int]], ties: Ties) -> Iterator[int]:
    """Topological order; a prequel that was released later comes right before what it precedes."""
    firsts = earliest(next_, ties)
    waiting = {id_: len(before) for id_, before in reversed_steps(next_).items()}
    ready = [(firsts[id_], ties.released(id_), id_) for id_, number in waiting.items() if number == 0]
    heapify(ready)
    while ready:
        id_ = heappop(ready)[-1]
        yield id_
        for other in next_.get(id_, ()):
            waiting[other] -= 1
            if waiting[other] == 0:
                heappush(ready, (firsts[other], ties.released(other), other))


def _reduce(next_: dict[int, set[int]]) -> None:
    """Transitive reduction: remove steps that are implied by longer paths."""
    bit = {id_: 1 << place for place, id_ in enumerate(next_)}
    reach: dict[int, int] = {}
    for id_ in TopologicalSorter(next_).static_order():  # sequels first
        far = 0
        for other in next_[id_]:
            far |= reach[other]
        next_[id_] = {other for other in next_[id_] if not far & bit[other]}
        reach[id_] = far | sum(bit[other] for other in next_[id_])


def _rivals(ties: Ties) -> dict[int, set[int]]:
    """The other versions of each title's story."""
    found: dict[int, set[int]] = defaultdict(set)
    for (one, two), kind in ties.kinds.items():
        if kind == "alternative_version":
            found[one].add(two)
            found[two].add(one)
    return found


def _segments(next_: Mapping[int, set[int]], rivals: Mapping[int, set[int]]) -> list[list[int]]:
    """Chains of titles, each the only sequel of the one before, which is its only prequel.

    No two are rivals.
    """
    before = reversed_steps(next_)
    inner = {id_ for id_ in next_ if len(before[id_]) == 1 and len(next_[min(before[id_])]) == 1}
    runs = []
    for id_ in sorted(next_.keys() - inner):
        run = [id_]
        while len(next_[run[-1]]) == 1 and (following := min(next_[run[-1]])) in inner:
            if following in rivals and not rivals[following].isdisjoint(run):
                runs.append(run)
                run = []
            run.append(following)
        runs.append(run)
    return runs


def _joined(
    segments: list[list[int]], versions: Mapping[int, set[int]], next_: Mapping[int, set[int]], ties: Ties
) -> list[set[int]]:
    """Merge consecutive segments, unless that would put two versions of one story in one line."""
    of = {id_: place for place, segment in enumerate(segments) for id_ in segment}
    groups = [{place} for place in range(len(segments))]
    rivals = [
        {of[other] for id_ in segment for other in versions.get(id_, ()) if other in of}
        for segment in segments
    ]
    found = [Line.of(segment, next_, ties) for segment in segments]
    later = {
        place
        for place, others in enumerate(rivals)
        if any(_precedes(found[other], found[place]) for other in others - {place})
    }
    for one, two in _steps(segments, next_, of, later, ties):
        ours, theirs = groups[one], groups[two]
        if ours is not theirs and not any(rivals[place] & theirs for place in ours):
            ours |= theirs
            for place in theirs:
                groups[place] = ours
    unique = {id(group): group for group in groups}.values()
    return [{id_ for place in group for id_ in segments[place]} for group in unique]


def _steps(
    segments: list[list[int]],
    next_: Mapping[int, set[int]],
    of: Mapping[int, int],
    later: Collection[int],
    ties: Ties,
) -> list[tuple[int, int]]:
    """The links between segments, in the order in which they are merged.

    First those from the latest prequel of a segment, then others; within both, later versions of a story come
    last.
    """
    before = reversed_steps(next_)
    steps = []
    for two, segment in enumerate(segments):
        fore = sorted(before[segment[0]], key=ties.released, reverse=True)
        for place, id_ in enumerate(fore):
            one = of[id_]
            steps.append((place > 0, one in later or two in later, ties.released(segment[0]), one, two))
    return [(one, two) for *_, one, two in sorted(steps)]


def _precedes(one: Line, two: Line) -> bool:
    """Whether the first line comes first: it was released earlier, unless the second is much longer."""
    if one.start > two.start:
        return one.minutes > _MUCH_LONGER * two.minutes
    return two.minutes <= _MUCH_LONGER * one.minutes


def _main(found: list[Line], apart: Collection[int], ties: Ties) -> Line:
    """The main line: not a recap, side story or spin-off of another, and the first by :func:`_precedes`."""
    line_of = {id_: line for line in found for id_ in line.ids}
    lower = {id(line) for line in found if line.ids <= set(apart)}
    for below, above in ties.below:
        one, two = line_of.get(below), line_of.get(above)
        if one is None or two is None or one is two or one.minutes > _SHORT_STORY * two.minutes:
            continue
        lower.add(id(one))
    best, *others = sorted(
        [line for line in found if id(line) not in lower] or found, key=lambda line: line.start
    )
    for line in others:
        if not _precedes(best, line):
            best = line
    return best
