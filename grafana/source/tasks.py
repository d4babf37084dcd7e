"""The second dashboard: tasks at the vendor, from the wait for a turn to the fetched picture.

Owns: what is shown to whoever wants to know where pictures are held up. Must not know: JSON.
"""

from grafana.source import signs
from grafana.source.boards import TASKS, Row, board
from grafana.source.panels import (
    BAD,
    CALM,
    DULL,
    FAIR,
    GOOD,
    Json,
    areas,
    columns,
    heatmap,
    lines,
    stat,
    table,
    timeline,
)
from grafana.source.promql import gain, least, most, quantile, rate, ratio, total

_STATES = {
    "intent": DULL,
    "creating": CALM,
    "uncertain": BAD,
    "running": GOOD,
    "collecting": "purple",
}
_UNUSABLE = 'answer=~"http_429|http_5xx|timeout|network|garbage"'


def dashboard() -> Json:
    """Tasks and the vendor."""
    return board(
        TASKS,
        "Tasks and the vendor",
        "Where tasks are on their way to the vendor and back: waiting for a turn, being created,"
        " being made, being fetched; and how the vendor answers.",
        (_now(), _turns(), _creates(), _tasks(), _questions(), _account(), _results()),
        since="now-6h",
    )


def _now() -> Row:
    return (
        "Now",
        (
            stat(
                "At the vendor",
                "Tasks bought or being bought, of those that may be there at once"
                " (upstream.max_tasks).",
                "percentunit",
                total("upstream_tasks", where='state!="intent"')
                + f" / {total('upstream_tasks_limit')}",
                steps=((None, GOOD), (0.8, FAIR), (1, BAD)),
                decimals=0,
            ).with_past(),
            signs.oldest_task(),
            stat(
                "Waiting for a turn",
                "Requests in the queue.",
                "none",
                total("queue_depth"),
                steps=((None, GOOD), (1, CALM)),
            ).with_past(),
            stat(
                "Queue filled",
                "Of the requests that may wait (queue.requests), the share that does. Alert:"
                " QueueNearLimit.",
                "percentunit",
                f"{total('queue_depth')} / {total('queue_limit')}",
                steps=((None, GOOD), (0.5, FAIR), (0.8, BAD)),
                decimals=0,
            ),
            signs.breaker(),
            stat(
                "Submits left",
                "What the account still allows of creates. 0 for minutes: it is the bottleneck."
                " Alert: QuotaLow.",
                "none",
                least("upstream_quota_remaining", where='category="submit"'),
                steps=((None, BAD), (1, GOOD)),
                decimals=0,
            ),
            stat(
                "Repetitions left",
                "Of the budget for calls made again (upstream.retry_share). 0: failures are told"
                " at once.",
                "percentunit",
                least("upstream_retry_budget_ratio"),
                steps=((None, BAD), (0.2, FAIR), (0.5, GOOD)),
                decimals=0,
            ),
            signs.balance(),
        ),
    )


def _turns() -> Row:
    return (
        "Waiting for a turn",
        (
            lines(
                "Queue",
                "Requests that wait for a turn at the vendor, and how many may.",
                "none",
                (total("queue_depth"), "waiting"),
                (total("queue_limit"), "may wait"),
                colors={"waiting": CALM, "may wait": DULL},
            ),
            lines(
                "Time until the turn came",
                "Of those who got one. Who would wait longer than queue.time is refused at once.",
                "s",
                *signs.quantiles("queue_wait_seconds"),
                idle="Nobody had to wait for a turn",
            ),
            lines(
                "Gave up waiting",
                "Tasks that waited too long, or gave way to a key that had less of the queue."
                " Nothing was bought for them.",
                "cpm",
                (f"60 * {rate('queue_expired_total')}", "gave up"),
                colors={"gave up": BAD},
            ),
        ),
    )


def _creates() -> Row:
    outcomes = {
        "accepted": GOOD,
        "refused": FAIR,
        "not_sent": CALM,
        "throttled": DULL,
        "ambiguous": BAD,
    }
    return (
        "Creates",
        (
            areas(
                "Creates by outcome",
                "Accepted: bought. Refused, not_sent, throttled: nothing bought. Ambiguous: sent,"
                " and the answer was lost; never blindly sent again. Alert: AmbiguousCreate.",
                "cpm",
                (f"60 * {rate('upstream_creates_total', 'outcome')}", "{{outcome}}"),
                colors=outcomes,
            ),
            lines(
                "Time to the vendor's answer to a create",
                "95 % of each outcome.",
                "s",
                (quantile(0.95, "upstream_create_seconds", "outcome"), "{{outcome}}"),
                colors=outcomes,
                idle="Nothing was created",
            ),
            areas(
                "Calls made again",
                "After a failure that bought nothing, by call and reason. What is spent of the"
                " budget for it is on the stat above.",
                "cpm",
                (
                    f"60 * {rate('upstream_retries_total', 'op, reason')} > 0",
                    "{{op}}: {{reason}}",
                ),
                idle="Nothing had to be repeated",
            ),
            timeline(
                "Breaker, over time",
                "Whether creates were held back because they fail anyway.",
                (signs.breaker_state("upstream"), "{{upstream}}"),
                signs.BREAKER,
            ),
            lines(
                "Budget for repetitions",
                "What is left of it; at 0 a failure is told at once.",
                "percentunit",
                (least("upstream_retry_budget_ratio", "upstream"), "{{upstream}}"),
            ),
            columns(
                "What became of uncertain creates",
                "Found: bought after all, and followed. Lost: no look-up found it; perhaps bought."
                " Recreated: bought anew, as upstream.on_unknown says.",
                "short",
                (
                    gain("ledger_reconciled_total", "verdict", over="$__rate_interval"),
                    "{{verdict}}",
                ),
                colors={"found": GOOD, "lost": BAD, "recreated": FAIR},
            ),
        ),
    )


def _tasks() -> Row:
    by = "model, tier, quality"
    done, failed = 'outcome="done"', 'outcome="failed"'
    return (
        "Tasks",
        (
            areas(
                "Tasks under way, by state",
                "Uncertain ones are being looked up; collecting ones are made, and being fetched.",
                "none",
                (total("upstream_tasks", "state"), "{{state}}"),
                colors=_STATES,
            ),
            lines(
                "Oldest task, and what is usual",
                "PollStalled fires where the oldest is more than twice as old as 99 % ever get.",
                "s",
                (most("upstream_oldest_task_age_seconds"), "oldest"),
                (quantile(0.99, "upstream_task_seconds"), "99 % end within"),
                colors={"oldest": FAIR, "99 % end within": DULL},
            ),
            lines(
                "Time a task takes, by tier",
                "From acceptance to its end at the vendor: 95 % of those that succeeded.",
                "s",
                (
                    quantile(0.95, "upstream_task_seconds", "tier, quality", done),
                    "{{tier}} {{quality}}",
                ),
                idle="No task ended",
            ),
            heatmap(
                "How long tasks take",
                "Every task that ended, by how long the vendor took. Two bands are two kinds of"
                " pictures; a band that rises is a vendor who slows down.",
                "s",
                rate("upstream_task_seconds_bucket", "le"),
                idle="No task ended",
            ).sized(8),
            lines(
                "Tasks that fail",
                "Of those that ended, the share that the vendor gave up. They were bought.",
                "percentunit",
                (
                    ratio(
                        rate("upstream_task_seconds_count", "model", failed),
                        rate("upstream_task_seconds_count", "model"),
                    ),
                    "{{model}}",
                ),
                idle="No task ended",
            ),
            table(
                "Tasks by kind",
                "What ended within the chosen time, and what of it failed.",
                by.split(", "),
                (
                    ("failed", "short", gain("upstream_task_seconds_count", by, failed)),
                    ("done", "short", gain("upstream_task_seconds_count", by, done)),
                ),
                idle="No task ended",
            ).sized(8),
        ),
    )


def _questions() -> Row:
    return (
        "Questions about tasks",
        (
            lines(
                "How late finished pictures were noticed",
                "From the vendor's completed_at to the poll that saw it. The objective is 5 s for"
                " 95 %.",
                "s",
                *signs.quantiles("upstream_poll_lag_seconds"),
                steps=((None, GOOD), (5, BAD)),
                idle="No picture was finished",
            ),
            areas(
                "Questions by answer",
                "Unusable answers do a task no harm, but make it late.",
                "reqps",
                (rate("upstream_polls_total", "answer"), "{{answer}}"),
            ),
            lines(
                "Unusable answers",
                "Of the questions asked, the share that got no usable answer. Alerts: UpstreamDown,"
                " UpstreamRateLimited.",
                "percentunit",
                (
                    ratio(
                        rate("upstream_polls_total", where=_UNUSABLE),
                        rate("upstream_polls_total"),
                    ),
                    "unusable",
                ),
                steps=((None, GOOD), (0.5, BAD)),
                idle="Nothing was asked",
            ),
            lines(
                "Time to an answer",
                "95 % of the questions.",
                "s",
                (quantile(0.95, "upstream_poll_seconds", "outcome"), "{{outcome}}"),
                idle="Nothing was asked",
            ).sized(12),
            areas(
                "The vendor's webhooks",
                "What it told by itself, where that is set up (upstream.webhook_secret). Used: its"
                " task was asked about at once. Revived, lost: it had been given up, and was found"
                " because of this, or not yet. Refused: not known to be the vendor's.",
                "cpm",
                (f"60 * {rate('upstream_hints_total', 'result')} > 0", "{{result}}"),
                colors={
                    "used": GOOD,
                    "revived": GOOD,
                    "refused": BAD,
                    "lost": BAD,
                    "unknown": FAIR,
                    "put_off": FAIR,
                    "ignored": DULL,
                },
                idle="No webhook came",
            ).sized(12),
            heatmap(
                "How late, picture by picture",
                "Every finished picture, by how late it was noticed.",
                "s",
                rate("upstream_poll_lag_seconds_bucket", "le"),
                idle="No picture was finished",
            ),
        ),
    )


def _account() -> Row:
    return (
        "The vendor's account",
        (
            lines(
                "Allowance left",
                "Of creates (submit) and of questions (query), as the vendor tells it, else as it"
                " is counted here.",
                "none",
                (least("upstream_quota_remaining", "category"), "{{category}}"),
            ).sized(12),
            lines(
                "Balance, over time",
                "What the account holds, as last told.",
                "currencyUSD",
                (signs.balance_known("upstream"), "{{upstream}}"),
                idle="Unknown, or unbounded",
            ).sized(12),
        ),
    )


def _results() -> Row:
    return (
        "Results",
        (
            lines(
                "Time to fetch a result",
                "From the vendor's link, whole.",
                "s",
                *signs.quantiles("image_fetch_seconds"),
                idle="Nothing was fetched",
            ),
            lines(
                "Size of a result",
                "As the vendor sent it.",
                "bytes",
                *signs.quantiles("image_bytes"),
                idle="Nothing was fetched",
            ),
            columns(
                "Results that could not be used",
                "They were bought. Each is asked for anew first; these could not be had.",
                "short",
                (gain("image_rejected_total", "reason", over="$__rate_interval"), "{{reason}}"),
            ),
        ),
    )
