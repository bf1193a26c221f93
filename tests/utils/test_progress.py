"""Progress: a bar on a terminal, occasional plain lines elsewhere."""

import io

from app.utils.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Watch:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_plain_lines_are_printed_every_few_seconds() -> None:
    output, watch = io.StringIO(), Watch()
    with progress("a dump", to=output, now=watch) as report:
        for done in range(0, 101, 10):
            report(done, 100, f"{done} rows")
            watch.seconds += 2
    assert output.getvalue().splitlines() == [
        "a dump: 30 %, 30 rows",
        "a dump: 60 %, 60 rows",
        "a dump: 90 %, 90 rows",
    ]


def test_without_a_total_the_count_is_printed() -> None:
    output, watch = io.StringIO(), Watch()
    with progress("season", to=output, now=watch) as report:
        watch.seconds += 10
        report(7, None)
    assert output.getvalue() == "season: 7\n"


def test_a_terminal_shows_a_bar() -> None:
    output = Terminal()
    with progress("a dump", to=output) as report:
        report(50, 100, "12 rows")
    assert "a dump 12 rows" in output.getvalue()
    assert "50%" in output.getvalue()
