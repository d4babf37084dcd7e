"""The few figures that stand on more than one dashboard.

Owns: how they are asked and coloured, so that they say the same everywhere. Must not know: where
they stand.
"""

from grafana.source.panels import BAD, FAIR, GOOD, Panel, stat, text_above, words
from grafana.source.promql import fold, least, most, of, quantile

YES_NO = words(v0=("no", BAD), v1=("yes", GOOD))
BREAKER = words(v0=("closed", GOOD), v1=("probing", FAIR), v2=("open", BAD))
_QUANTILES = ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))


def quantiles(name: str, where: str = "") -> tuple[tuple[str, str], ...]:
    """A histogram's spread: PromQL, and what its line is called."""
    return tuple((quantile(share, name, where=where), title) for share, title in _QUANTILES)


def breaker_state(by: str = "") -> str:
    """PromQL: 0 closed, 1 probing, 2 open; the worst where there are several."""
    is_open = most("upstream_breaker_state", by, 'state="open"')
    probing = most("upstream_breaker_state", by, 'state="half_open"')
    return f"2 * {is_open} + {probing}"


def balance_known(by: str = "") -> str:
    """PromQL: the smallest balance that is known; nothing where none is."""
    return fold("min", f"{of('upstream_balance_usd')} >= 0", by)


def breaker() -> Panel:
    """Whether creates are held back."""
    return stat(
        "Breaker",
        "Open: creates are held back because they fail anyway. Alert: UpstreamDown.",
        "none",
        breaker_state(),
        texts=BREAKER,
    )


def oldest_task() -> Panel:
    """The first sign that pictures do not come back."""
    return stat(
        "Oldest task",
        "Since the oldest task at the vendor was accepted. Alert: PollStalled.",
        "s",
        most("upstream_oldest_task_age_seconds"),
        steps=((None, GOOD), (300, FAIR), (900, BAD)),
    ).with_past()


def balance() -> Panel:
    """What is left to buy with."""
    return stat(
        "Balance",
        "What the vendor's account holds, as it was last told. Alert: BalanceLow.",
        "currencyUSD",
        balance_known(),
        steps=((None, BAD), (5, FAIR), (20, GOOD)),
        texts=[text_above(1e12, "unbounded")],
        idle="unknown",
    )


def ready() -> Panel:
    """What load balancers go by."""
    return stat(
        "Ready",
        "Whether every process would be given requests by who goes by /readyz; it says no while it"
        " stops, or cannot write its ledger. Alert: NotReady.",
        "none",
        least("ready"),
        texts=YES_NO,
    )


def disk_free() -> Panel:
    """Without room nothing is bought."""
    return stat(
        "Disk free",
        "Room left where pictures lie, on the fullest disk. Alert: DiskLow.",
        "bytes",
        least("disk_free_bytes"),
        steps=((None, BAD), (1e9, FAIR), (1e10, GOOD)),
    )
