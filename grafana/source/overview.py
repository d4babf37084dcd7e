"""The first dashboard: does it work, who notices, is money being lost, how do the objectives stand.

Owns: what is shown at three in the morning, before it is known what is wrong, and in the monthly
review. Must not know: JSON.
"""

from grafana.source import signs
from grafana.source.boards import KEYS, OVERVIEW, RUNTIME, TASKS, Row, board
from grafana.source.objectives import OBJECTIVES, WORK
from grafana.source.panels import (
    BAD,
    CALM,
    DULL,
    FAIR,
    GOOD,
    Json,
    areas,
    gauges,
    lines,
    stat,
    table,
)
from grafana.source.promql import fold, gain, of, quantile, rate, total

_OURS = 'service="image-gateway"'
_FIRING = fold("count", of("ALERTS", f'{_OURS}, alertstate="firing"'))
# An alert is 1, and when it began is told under another name.
_BEGAN = (
    f"{of('ALERTS', _OURS)} * ignoring (alertstate) group_left () {of('ALERTS_FOR_STATE', _OURS)}"
)
_ALERT = "alertname, severity, alertstate"
_NOBODY = "Nobody asked"


def dashboard() -> Json:
    """The overview."""
    return board(
        OVERVIEW,
        "Overview",
        "Whether callers are served, what of it is whose doing, whether money is lost, and how the"
        " objectives stand. Start here; docs/runbook.md says what to do about each alert.",
        (_now(), _objectives(), _callers(), _turned_away(), _pictures()),
        since="now-6h",
    )


def _now() -> Row:
    return (
        "Now",
        (
            stat(
                "Processes up",
                "Of the processes that Prometheus knows, those that answered its last scrape."
                " Alerts: TargetDown, TargetAbsent.",
                "percentunit",
                f"{total('up')} / {fold('count', of('up'))}",
                steps=((None, BAD), (1, GOOD)),
                idle="none known",
            ).leading_to(RUNTIME),
            signs.ready().leading_to(RUNTIME),
            stat(
                "Alerts that fire",
                "How many; the table below has their names, and docs/runbook.md a section on each.",
                "none",
                f"{_FIRING} or vector(0)",
                steps=((None, GOOD), (1, BAD)),
            ),
            stat(
                "Requests held",
                "Callers who wait for an answer at this moment.",
                "none",
                total("http_requests_in_flight"),
            ).with_past(),
            stat(
                "Tasks at the vendor",
                "Bought, or being bought, and not fetched yet.",
                "none",
                total("upstream_tasks", where='state!="intent"'),
            )
            .with_past()
            .leading_to(TASKS),
            stat(
                "Perhaps bought",
                "Creates whose answer was lost and which are being looked up. A few minutes of one"
                " are normal after a fault. Alerts: AmbiguousCreate, UncertainOlderThan.",
                "none",
                total("ledger_tasks", where='state="uncertain"'),
                steps=((None, GOOD), (1, FAIR)),
            ).leading_to(TASKS),
            stat(
                "Unclaimed",
                "Pictures that were paid for and handed to nobody yet: who comes back within their"
                " lifetime gets them. Alert: UnclaimedRising.",
                "none",
                total("ledger_tasks", where='state="unclaimed"'),
                steps=((None, GOOD), (10, FAIR)),
            ).leading_to(TASKS),
            signs.balance().leading_to(KEYS),
            stat(
                "Charged, 24 h",
                "What the vendor charged within the last 24 hours, whatever time is chosen.",
                "currencyUSD",
                gain("cost_usd_total", over="24h"),
                steps=((None, CALM),),
                decimals=2,
            ).leading_to(KEYS),
            stat(
                "Charged for nothing, 24 h",
                "Charged, or perhaps charged, for what nobody was given. Alerts: MoneyBurnFast,"
                " MoneyBurnSlow.",
                "currencyUSD",
                gain("cost_unserved_usd_total", over="24h"),
                steps=((None, GOOD), (0.01, FAIR), (1, BAD)),
                decimals=2,
            ).leading_to(KEYS),
            stat(
                "Purchases prevented, 24 h",
                "Requests that got a picture which was already paid for, instead of another.",
                "none",
                gain("rejoins_total", over="24h"),
                steps=((None, CALM),),
                decimals=0,
            ).leading_to(KEYS),
            stat(
                "Pictures delivered, 24 h",
                "Pictures in answers, within the last 24 hours.",
                "none",
                gain("images_total", over="24h"),
                steps=((None, CALM),),
                decimals=0,
            ),
            signs.breaker().leading_to(TASKS),
            signs.oldest_task().leading_to(TASKS),
            stat(
                "Loop's lag, 99 %",
                "How late the process does what is due. Alert: LoopLag.",
                "s",
                quantile(0.99, "event_loop_lag_seconds"),
                steps=((None, GOOD), (0.05, FAIR), (0.25, BAD)),
            )
            .with_past()
            .leading_to(RUNTIME),
            signs.disk_free().leading_to(RUNTIME),
        ),
    )


def _objectives() -> Row:
    met = [
        stat(
            f"{one.name.capitalize()}, 30 days",
            f"{one.about} The objective is {one.goal * 100:g} %. Recorded by rules, so it begins"
            " with Prometheus' first day.",
            "percentunit",
            one.met("30d"),
            steps=((None, BAD), (one.goal, GOOD)),
            decimals=3,
            idle=_NOBODY,
        ).sized(6)
        for one in OBJECTIVES
    ]
    return (
        "Objectives",
        (
            *met,
            gauges(
                "Error budget left, of 30 days",
                "Of what may go wrong in 30 days, the share that has not. At 0 the objective is"
                " missed; at a third of it there is no room for experiments.",
                *((one.left("30d"), one.name) for one in OBJECTIVES),
                steps=((None, BAD), (0.2, FAIR), (0.5, GOOD)),
            ).sized(6),
            lines(
                "How fast the budgets burn",
                "1 is as fast as they may: a budget lasts its 30 days. At 6 for six hours, or 14.4"
                " for one, somebody is woken. Alerts: ServedBurnFast and their like.",
                "none",
                *((one.burn("1h"), f"{one.name}, within 1 h") for one in OBJECTIVES),
                steps=((None, GOOD), (1, FAIR), (6, BAD), (14.4, BAD)),
            ).sized(10),
            table(
                "Alerts",
                "Those that fire, and those that are about to. docs/runbook.md has a section on"
                " each.",
                ("alertname", "severity", "alertstate"),
                (
                    (
                        "how many",
                        "none",
                        fold("count", of("ALERTS", _OURS), _ALERT),
                    ),
                    (
                        "since",
                        "dateTimeFromNow",
                        f"1000 * {fold('min', _BEGAN, _ALERT)}",
                    ),
                ),
                idle="No alert",
            ).sized(8),
        ),
    )


def _callers() -> Row:
    outcomes = {"served": GOOD, "refused": FAIR, "left": CALM, "failed": BAD, "other": DULL}
    statuses = {
        "served": 'status=~"2.."',
        "refused": 'status=~"4..", status!="499"',
        "left": 'status="499"',
        "failed": 'status=~"5.."',
        "other": 'status="other"',
    }
    return (
        "Callers",
        (
            areas(
                "Requests by outcome",
                "All routes. Refused: the caller's doing, or a limit (4xx). Left: hung up before"
                " there was an answer. Failed: ours or the vendor's (5xx).",
                "reqps",
                *(
                    (rate("http_requests_total", where=where), name)
                    for name, where in statuses.items()
                ),
                colors=outcomes,
            ),
            areas(
                "Failures by route and status",
                "Answers of 5xx and 429, where there were any. 502 is the vendor's doing, 504 a"
                " deadline, 503 what could not be taken on.",
                "reqps",
                (
                    rate("http_requests_total", "route, status", 'status=~"5..|429"') + " > 0",
                    "{{route}} {{status}}",
                ),
                idle="Nothing failed",
            ),
            lines(
                "Time to a picture",
                "From a request for pictures to the last byte of its answer, of those that were"
                " served. Most of it is the vendor's. Dots are exemplars: their request_id is the"
                " one in the log.",
                "s",
                *signs.quantiles("http_request_duration_seconds", f'{WORK}, status_class="2xx"'),
                idle=_NOBODY,
            ).with_exemplars(),
            lines(
                "Our own part of it",
                "Of a request's time, what neither caller, queue nor vendor took. The objective is"
                " 250 ms for 99 %.",
                "s",
                *signs.quantiles("overhead_seconds", WORK),
                steps=((None, GOOD), (0.25, BAD)),
                idle=_NOBODY,
            ),
            areas(
                "Requests held, by route",
                "Callers who wait, by what they asked for.",
                "none",
                (total("http_requests_in_flight", "route"), "{{route}}"),
            ),
            areas(
                "Requests by route",
                "Also those that are no requests for pictures: models, finished pictures, jobs.",
                "reqps",
                (rate("http_requests_total", "route"), "{{route}}"),
            ),
        ),
    )


def _turned_away() -> Row:
    return (
        "Turned away, or gone",
        (
            areas(
                "Turned away, by reason",
                "With nothing bought. auth, invalid, too_large, rate_limit and quota are the"
                " caller's; the others are a lack of room here or at the vendor.",
                "reqps",
                (rate("rejections_total", "reason"), "{{reason}}"),
            ).sized(12),
            areas(
                "Callers who left, by what they waited for",
                "What was bought for them goes on, and is kept for when they come back. Many in"
                " poll: somebody's time-out is shorter than a picture takes.",
                "reqps",
                (rate("client_disconnects_total", "phase"), "{{phase}}"),
            ).sized(12),
        ),
    )


def _pictures() -> Row:
    return (
        "Pictures",
        (
            areas(
                "Pictures delivered",
                "In answers, by model and by how they were handed over.",
                "cpm",
                (f"60 * {rate('images_total', 'model, delivery')}", "{{model}} {{delivery}}"),
            ),
            areas(
                "Purchases prevented",
                "Requests that joined one for which a picture was paid: by idempotency key, as an"
                " SDK's retry, by adopting an orphan, or as a replay.",
                "cpm",
                (f"60 * {rate('rejoins_total', 'how')}", "{{how}}"),
            ),
            lines(
                "Money, per hour",
                "Charged, and what of it went to nobody, at the pace of the moment.",
                "currencyUSD",
                (f"3600 * {rate('cost_usd_total')}", "charged"),
                (f"3600 * {rate('cost_unserved_usd_total')}", "for nothing"),
                colors={"charged": CALM, "for nothing": BAD},
            ),
        ),
    )
