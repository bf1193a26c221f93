"""`python -m tests.bench NAME`: measure and print the table."""

import asyncio
import importlib
import sys

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(importlib.import_module(f"tests.bench.{sys.argv[1]}").main())
