"""The third dashboard: what each key asks for, what it costs, and what its limits refuse.

Owns: what is shown to whoever pays, and to whoever hands out keys. Must not know: JSON.
"""

from grafana.source.boards import KEYS, Row, board
from grafana.source.panels import (
    BAD,
    CALM,
    FAIR,
    GOOD,
    Json,
    areas,
    columns,
    gauges,
    lines,
    stat,
    table,
)
from grafana.source.promql import first, gain, most, rate, ratio, total

_CHARGED, _BOUGHT = gain("cost_usd_total"), gain("key_images_total")


def dashboard() -> Json:
    """Keys and cost."""
    return board(
        KEYS,
        "Keys and cost",
        "What was bought, charged, given away for nothing and saved, by whom; and which limits are"
        " met. Money is US dollars as the vendor bills it, else by the configured prices.",
        (_money(), _over_time(), _by_key(), _limits()),
        since="now-24h",
        by_key=True,
    )


def _money() -> Row:
    return (
        "Money, within the chosen time",
        (
            stat(
                "Charged",
                "By the vendor, for all keys.",
                "currencyUSD",
                _CHARGED,
                steps=((None, CALM),),
                decimals=2,
            ).sized(4),
            stat(
                "Charged for nothing",
                "Charged, or perhaps charged, for what nobody was given.",
                "currencyUSD",
                gain("cost_unserved_usd_total"),
                steps=((None, GOOD), (0.01, FAIR), (1, BAD)),
                decimals=2,
            ).sized(4),
            stat(
                "Share for nothing",
                "Of what was charged. The objective is 0.1 % over 30 days.",
                "percentunit",
                ratio(gain("cost_unserved_usd_total"), _CHARGED),
                steps=((None, GOOD), (0.001, BAD)),
                decimals=3,
                idle="nothing charged",
            ).sized(4),
            stat(
                "Pictures bought",
                "By the chosen keys.",
                "short",
                _BOUGHT,
                steps=((None, CALM),),
                decimals=0,
            ).sized(4),
            stat(
                "A picture's price",
                "What was charged to the chosen keys, for each picture they bought.",
                "currencyUSD",
                ratio(gain("key_cost_usd_total"), _BOUGHT),
                steps=((None, CALM),),
                decimals=3,
                idle="none bought",
            ).sized(4),
            stat(
                "Purchases prevented",
                "Requests of all keys that got what was already paid for, instead of another.",
                "short",
                gain("rejoins_total"),
                steps=((None, CALM),),
                decimals=0,
            ).sized(4),
        ),
    )


def _over_time() -> Row:
    return (
        "Over time",
        (
            areas(
                "Charged per hour, by model and tier",
                "At the pace of the moment, for all keys.",
                "currencyUSD",
                (f"3600 * {rate('cost_usd_total', 'model, tier')}", "{{model}} {{tier}}"),
            ),
            columns(
                "Charged for nothing, by reason",
                "Ambiguous: a create whose answer was lost, and which was given up. Unclaimed: a"
                " picture whose lifetime ended before somebody came for it. failed_not_refunded:"
                " the vendor failed and kept the money. Alerts: MoneyBurnFast, MoneyBurnSlow.",
                "currencyUSD",
                (gain("cost_unserved_usd_total", "reason", over="$__rate_interval"), "{{reason}}"),
            ),
            columns(
                "Purchases prevented, by how",
                "By how the request was known to be for something paid already.",
                "short",
                (gain("rejoins_total", "how", over="$__rate_interval"), "{{how}}"),
            ),
        ),
    )


def _by_key() -> Row:
    return (
        "By key",
        (
            areas(
                "Requests by outcome",
                "Of the chosen keys. Rejected: refused here, nothing bought. Left: hung up.",
                "reqps",
                (rate("key_requests_total", "outcome"), "{{outcome}}"),
                colors={"served": GOOD, "rejected": FAIR, "failed": BAD, "left": CALM},
            ),
            areas(
                "Charged per hour, by key",
                "At the pace of the moment.",
                "currencyUSD",
                (f"3600 * {rate('key_cost_usd_total', 'key')}", "{{key}}"),
            ),
            areas(
                "Jobs under way, by key",
                "Of those that limits.concurrent counts.",
                "none",
                (total("key_in_flight", "key"), "{{key}}"),
            ),
            table(
                "What each key did",
                "Within the chosen time. The dearest first.",
                ("key",),
                (
                    ("served", "short", gain("key_requests_total", "key", 'outcome="served"')),
                    ("rejected", "short", gain("key_requests_total", "key", 'outcome="rejected"')),
                    ("failed", "short", gain("key_requests_total", "key", 'outcome="failed"')),
                    ("left", "short", gain("key_requests_total", "key", 'outcome="left"')),
                    ("pictures", "short", gain("key_images_total", "key")),
                    ("charged", "currencyUSD", gain("key_cost_usd_total", "key")),
                ),
                idle="No key was used",
            ),
            table(
                "What each key bought",
                "Within the chosen time, by model.",
                ("key", "model"),
                (
                    ("pictures", "short", gain("key_images_total", "key, model")),
                    ("charged", "currencyUSD", gain("key_cost_usd_total", "key, model")),
                ),
                idle="No key was used",
            ),
        ),
    )


def _limits() -> Row:
    return (
        "Limits",
        (
            gauges(
                "Nearest to their budgets",
                "Of what a day or a month allows a key, the share that is used: the ten largest of"
                " the chosen keys. At 100 % the key buys nothing more until the day, or the month,"
                " ends in UTC. Alert: KeyBudgetNearLimit.",
                (
                    first(10, most("key_budget_used_ratio", "key, budget")),
                    "{{key}}: {{budget}}",
                ),
                steps=((None, GOOD), (0.75, FAIR), (0.9, BAD)),
                idle="No key has a budget",
            ).sized(24),
            columns(
                "Limits met",
                "Requests refused by a limit of their key. Rate: they may come back within a"
                " minute. Quota: the day, or the month, is used up.",
                "short",
                (
                    gain("key_limit_hits_total", "key, limit", over="$__rate_interval") + " > 0",
                    "{{key}}: {{limit}}",
                ),
                idle="No limit was met",
            ),
            lines(
                "Charged within 24 hours, by key",
                "To be held against limits.cost_per_day, which counts UTC days. The console has"
                " each key's limits beside what is left of them.",
                "currencyUSD",
                (gain("key_cost_usd_total", "key", over="24h"), "{{key}}"),
            ),
            lines(
                "Pictures within 24 hours, by key",
                "To be held against limits.images_per_day, which counts UTC days.",
                "short",
                (gain("key_images_total", "key", over="24h"), "{{key}}"),
            ),
        ),
    )
