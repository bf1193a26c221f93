"""How often a search finds the intended title, by class of query: `python -m tests.bench search`."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

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


async def measure(client: httpx.AsyncClient) -> Found:
    """Run every labelled query on a catalogue with the real titles."""
    found = Found()
    for line in SEARCHES.read_text().splitlines():
        labelled = json.loads(line)
        query = {"q": labelled["q"], "limit": "5", "fields": "mal_id"}
        ids = [anime["mal_id"] for anime in (await client.get("/search/anime", params=query)).json()]
        found.asked[labelled["class"]] += 1
        found.first[labelled["class"]] += ids[:1] == [labelled["mal_id"]]
        found.among_five[labelled["class"]] += labelled["mal_id"] in ids
    return found


async def main() -> None:
    """Run the test that measures: it fills a database with the real titles, and prints the table."""
    command = ["-m", "pytest", "-q", "-n", "0", "-s", "-m", "bench", "tests/bench/test_search.py"]
    running = await asyncio.create_subprocess_exec(sys.executable, *command)
    sys.exit(await running.wait())
