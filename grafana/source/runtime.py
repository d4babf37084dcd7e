"""The fourth dashboard: the process itself, its ledger, disk, log and configuration.

Owns: what is shown to whoever keeps the machine. Must not know: JSON.
"""

from grafana.source import signs
from grafana.source.boards import RUNTIME, Row, board
from grafana.source.panels import (
    BAD,
    CALM,
    DULL,
    FAIR,
    GOOD,
    Json,
    columns,
    heatmap,
    lines,
    stat,
    table,
    words,
)
from grafana.source.promql import RATE, fold, gain, least, most, of, quantile, rate, total

_BUILD = "instance, version, python"
_STARTED = (
    f"{of('process_start_time_seconds')} * on (job, instance) group_right () {of('build_info')}"
)
_READ = "config_last_reload_success_timestamp_seconds"


def dashboard() -> Json:
    """The process and what it stands on."""
    return board(
        RUNTIME,
        "Runtime",
        "The process, its event loop, its connections, the ledger, the disk, the log and the"
        " configuration in force.",
        (_now(), _process(), _connections(), _webhooks(), _ledger(), _disk(), _log()),
        since="now-6h",
    )


def _now() -> Row:
    return (
        "Now",
        (
            stat(
                "Youngest process",
                "Since the process that was started last began.",
                "s",
                f"time() - {most('process_start_time_seconds')}",
                steps=((None, CALM),),
            ),
            signs.ready(),
            stat(
                "Stopping",
                "Whether a process is about to stop, and takes no new work.",
                "none",
                most("draining"),
                texts=words(v0=("no", GOOD), v1=("yes", FAIR)),
            ),
            stat(
                "Configuration good",
                "Whether what lies in the file is in force. No: the file has faults, and the one"
                " before stays in force; a restart would fail. Alert: ConfigReloadFailed.",
                "none",
                least("config_last_reload_successful"),
                texts=signs.YES_NO,
            ),
            stat(
                "Configuration read",
                "When the one in force was read, of the process where that is longest ago.",
                "dateTimeFromNow",
                f"1000 * {least(_READ)}",
                steps=((None, CALM),),
            ),
            stat(
                "Files open",
                "Of those the process may have open; sockets count.",
                "percentunit",
                fold("max", f"{of('process_open_fds')} / {of('process_max_fds')}"),
                steps=((None, GOOD), (0.5, FAIR), (0.8, BAD)),
                decimals=1,
            ),
            stat(
                "Shelf filled",
                "Of the room that finished pictures may take (images.shelf). Full: what was"
                " delivered goes first, what nobody had never.",
                "percentunit",
                fold("max", f"{of('shelf_bytes')} / {of('shelf_limit_bytes')}"),
                steps=((None, GOOD), (0.8, FAIR), (0.95, BAD)),
                decimals=1,
            ),
            signs.disk_free(),
        ),
    )


def _process() -> Row:
    return (
        "Process",
        (
            lines(
                "The loop's lag",
                "How late the event loop does what is due; everybody waits as long. Above 0.25 s"
                " at 99 % something blocks it. Alert: LoopLag.",
                "s",
                *signs.quantiles("event_loop_lag_seconds"),
                steps=((None, GOOD), (0.25, BAD)),
                idle="No process tells",
            ),
            lines(
                "CPU",
                "Processors used; the event loop has one.",
                "none",
                (rate("process_cpu_seconds_total", "instance"), "{{instance}}"),
            ),
            lines(
                "Memory",
                "Resident. Some hundred MB with many large pictures under way; it should come"
                " down again.",
                "bytes",
                (total("process_resident_memory_bytes", "instance"), "{{instance}}"),
            ),
            heatmap(
                "The loop's lag, look by look",
                "How late the loop was, each time it was looked at.",
                "s",
                rate("event_loop_lag_seconds_bucket", "le"),
                idle="No process tells",
            ).sized(8),
            lines(
                "Collections of garbage",
                "By generation; the oldest stops everything for the longest.",
                "ops",
                (rate("python_gc_collections_total", "generation"), "generation {{generation}}"),
            ),
            table(
                "Builds",
                "What runs, and how many processes of it.",
                ("instance", "version", "python"),
                (
                    ("processes", "short", total("build_info", _BUILD)),
                    ("started", "dateTimeFromNow", f"1000 * {fold('max', _STARTED, _BUILD)}"),
                ),
                idle="No process tells",
            ).sized(8),
        ),
    )


def _connections() -> Row:
    return (
        "Connections and bodies",
        (
            lines(
                "Connections",
                "Open ones, by listener, and how many callers may have. Beyond that they are"
                " turned away without an answer. Alert: ConnectionsRefused.",
                "none",
                (total("http_connections", "listener"), "{{listener}}"),
                (total("http_connections_limit"), "callers may have"),
                colors={"callers may have": DULL},
            ),
            columns(
                "Connections turned away",
                "Too many were open; no other figure has these callers.",
                "short",
                (gain("http_connections_refused_total", over=RATE), "turned away"),
                colors={"turned away": BAD},
            ),
            lines(
                "Bytes in and out",
                "Bodies of requests and answers.",
                "Bps",
                (rate("http_request_body_bytes_sum"), "in"),
                (rate("http_response_body_bytes_sum"), "out"),
            ),
            lines(
                "Size of requests",
                "95 % of the bodies received, by route.",
                "bytes",
                (quantile(0.95, "http_request_body_bytes", "route"), "{{route}}"),
                idle="Nobody asked",
            ).sized(12),
            lines(
                "Size of answers",
                "95 % of the bodies sent, by route.",
                "bytes",
                (quantile(0.95, "http_response_body_bytes", "route"), "{{route}}"),
                idle="Nobody asked",
            ).sized(12),
        ),
    )


def _webhooks() -> Row:
    return (
        "Webhooks to callers",
        (
            columns(
                "Callers told",
                "Attempts to tell callers at their webhook_url what became of a job. Failed: it is"
                " tried again. Given up: it was not told. Alert: WebhooksGivenUp.",
                "short",
                (gain("webhooks_total", "outcome", over=RATE), "{{outcome}}"),
                colors={"delivered": GOOD, "failed": FAIR, "given_up": BAD},
            ).sized(12),
            lines(
                "Callers to be told",
                "Jobs' ends that a caller wants to be told and was not told yet.",
                "none",
                (total("webhooks_pending"), "pending"),
                colors={"pending": CALM},
            ).sized(12),
        ),
    )


def _ledger() -> Row:
    return (
        "Ledger",
        (
            lines(
                "Tasks in the ledger, by state",
                "All that it remembers (state.keep). Unclaimed: done, and handed to nobody.",
                "none",
                (total("ledger_tasks", "state"), "{{state}}"),
            ),
            lines(
                "Oldest uncertain task",
                "Since the create whose answer was lost. Alert: UncertainOlderThan.",
                "s",
                (most("ledger_oldest_uncertain_seconds"), "oldest"),
                steps=((None, GOOD), (600, BAD)),
            ),
            lines(
                "Time of a synced commit",
                "What precedes or confirms a purchase waits for it. Beyond 100 ms the disk is the"
                " bottleneck.",
                "s",
                *signs.quantiles("ledger_commit_seconds"),
                idle="Nothing was written",
            ),
            lines(
                "Commits",
                "Synced ones; many entries share one.",
                "ops",
                (rate("ledger_commit_seconds_count"), "commits"),
            ),
            columns(
                "Failed accesses",
                "Attempts to write or read the ledger that failed. While it takes no entries,"
                " nothing is bought. Alert: JournalErrors.",
                "short",
                (gain("ledger_errors_total", "op", over=RATE), "{{op}}"),
                colors={"commit": BAD, "read": FAIR},
            ),
            columns(
                "Taken up after a start",
                "Tasks that a process before had left unfinished, by the state it left them in.",
                "short",
                (gain("ledger_recovered_total", "from", over=RATE), "{{from}}"),
            ),
        ),
    )


def _disk() -> Row:
    return (
        "Disk",
        (
            lines(
                "Disk free, over time",
                "Room left where pictures lie. Alert: DiskLow, under 1 GB or where it will be"
                " used up within hours.",
                "bytes",
                (least("disk_free_bytes", "instance"), "{{instance}}"),
                steps=((None, BAD), (1e9, GOOD)),
            ),
            lines(
                "Shelf",
                "Finished pictures, and the room they may take.",
                "bytes",
                (total("shelf_bytes"), "pictures"),
                (total("shelf_limit_bytes"), "may take"),
                colors={"pictures": CALM, "may take": DULL},
            ),
            lines(
                "Ledger's files",
                "They do not shrink: room is used again.",
                "bytes",
                (total("ledger_bytes"), "ledger"),
            ),
        ),
    )


def _log() -> Row:
    return (
        "Faults, log and scrapes",
        (
            columns(
                "Faults of our own",
                "What the gateway did not foresee, by the part it happened in; the log has each"
                " with its traceback. Alert: InternalFaults.",
                "short",
                (gain("faults_total", "part", over=RATE), "{{part}}"),
            ),
            columns(
                "Lines of the log that are missing",
                "Dropped: nobody read them in time. Suppressed: of a flood of the same name, which"
                " is told with a count. Alert: LogsDropped.",
                "short",
                (gain("log_dropped_total", over=RATE), "dropped"),
                (gain("log_suppressed_total", over=RATE), "suppressed"),
                colors={"dropped": BAD, "suppressed": CALM},
            ),
            lines(
                "Time of a scrape",
                "As Prometheus measured it; it ends at 10 s.",
                "s",
                (most("scrape_duration_seconds", "instance"), "{{instance}}"),
            ),
            lines(
                "Series told by a scrape",
                "A few thousand with twenty keys, whatever callers send. More: a label has got"
                " values that it should not have.",
                "short",
                (most("scrape_samples_scraped", "instance"), "{{instance}}"),
            ),
        ),
    )
