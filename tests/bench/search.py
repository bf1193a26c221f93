"""How often and how fast a search finds the intended title: `python -m tests.bench search`."""

import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rapidfuzz import fuzz, process, utils

SEARCHES = Path(__file__).parents[1] / "samples/searches.jsonl"


@dataclass
class Found:
    """Counts per class: all queries, those whose title came first, and those with it among the first five."""

    asked: Counter[str] = field(default_factory=Counter)
    first: Counter[str] = field(default_factory=Counter)
    among_five: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        for name, number in self.asked.items():
            first, five = self.first[name] / number, self.among_five[name] / number
            yield f"{name:24} {number:4}  @1 {first:.3f}  @5 {five:.3f}"
        first, five = self.share(self.first), self.share(self.among_five)
        yield f"{'all':24} {self.asked.total():4}  @1 {first:.3f}  @5 {five:.3f}"

    def share(self, counts: Counter[str]) -> float:
        return counts.total() / self.asked.total()


def labelled_queries() -> list[dict[str, Any]]:
    """The queries (``q``), each with the id of the intended title (``mal_id``) and its ``class``."""
    return [json.loads(line) for line in SEARCHES.read_text().splitlines()]


async def measure(client: httpx.AsyncClient) -> Found:
    """Run every labelled query on a catalogue with the real titles."""
    found = Found()
    for labelled in labelled_queries():
        query = {"q": labelled["q"], "limit": "5", "fields": "mal_id"}
        ids = [anime["mal_id"] for anime in (await client.get("/search/anime", params=query)).json()]
        found.asked[labelled["class"]] += 1
        found.first[labelled["class"]] += ids[:1] == [labelled["mal_id"]]
        found.among_five[labelled["class"]] += labelled["mal_id"] in ids
    return found


async def median_search(client: httpx.AsyncClient, queries: list[str]) -> float:
    """The median time of a search in seconds; each query is asked twice, and the faster answer counts."""
    found = []
    for query in queries:
        times = []
        for limit in ("10", "11"):  # two addresses, since equal ones are answered from the answer cache
            started = time.perf_counter()
            (await client.get("/search/anime", params={"q": query, "limit": limit})).raise_for_status()
            times.append(time.perf_counter() - started)
        found.append(min(times))
    return statistics.median(found)


async def median_scan(client: httpx.AsyncClient, queries: list[str]) -> float:
    """The median time in seconds of a scan of all names in memory by rapidfuzz, as other trackers do it."""
    names: list[str] = []
    page = 100
    for offset in range(0, 1_000_000, page):
        wanted = {"limit": str(page), "offset": str(offset), "fields": "title,title_english,synonyms"}
        rows = (await client.get("/anime", params=wanted)).json()
        for row in rows:
            given = (row["title"], row["title_english"], *(row["synonyms"] or []))
            names += [utils.default_process(name) for name in given if name]
        if len(rows) < page:
            break
    found = []
    for query in queries:
        started = time.perf_counter()
        process.extract(utils.default_process(query), names, scorer=fuzz.WRatio, limit=10)
        found.append(time.perf_counter() - started)
    return statistics.median(found)


async def main() -> None:
    """Run the test that measures: it fills a database with the real titles, and prints the table."""
    command = ["-m", "pytest", "-q", "-n", "0", "-s", "-m", "bench", "tests/bench/test_search.py"]
    running = await asyncio.create_subprocess_exec(sys.executable, *command)
    sys.exit(await running.wait())
