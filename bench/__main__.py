import importlib
import sys

NAMES = ("picture_way", "completions", "ledger", "admission", "metrics")


def main() -> None:
    wanted = sys.argv[1:] or NAMES
    for name in wanted:
        if name not in NAMES:
            raise SystemExit(f"no benchmark {name!r}; there are: {', '.join(NAMES)}")
        print(f"== {name}")
        importlib.import_module(f"bench.{name}").main()


main()
