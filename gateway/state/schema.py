"""The ledger's tables, for every backend that speaks SQL.

Owns: names, columns and what they mean. Must not know: connections, pragmas, who reads. Times are
wall-clock seconds, days numbers since the epoch (UTC), money is in micro-dollars; plans, links,
notes and details are JSON. A later version adds columns in a step of its own (``steps.py``), under
the next number; what it adds stands last in its table.
"""

VERSION = 4

# "IGW1": tells a ledger of ours from any other SQLite file.
APPLICATION_ID = 0x49475731

# The keys' accounts.
BOOKS = (
    # What a key's tasks of a day come to, forgotten ones too. Written with each of them.
    """
    CREATE TABLE spent (
        key_name TEXT NOT NULL,
        day INTEGER NOT NULL,
        images INTEGER NOT NULL,
        cost INTEGER NOT NULL,
        PRIMARY KEY (key_name, day)
    ) WITHOUT ROWID
    """,
    # What a key owed of a rate (a setting's "name") "at" a time; the unit is the bucket's.
    """
    CREATE TABLE rates (
        key_name TEXT NOT NULL,
        name TEXT NOT NULL,
        debt INTEGER NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (key_name, name)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE uses (
        key_name TEXT NOT NULL,
        credential TEXT NOT NULL,
        used_at REAL NOT NULL,
        PRIMARY KEY (key_name, credential)
    ) WITHOUT ROWID
    """,
)

# Found without a look at every task or job.
COUNTS = (
    "CREATE INDEX tasks_in_vain ON tasks (state) WHERE state IN ('dropped', 'refused')",
    "CREATE INDEX jobs_unclaimed ON jobs (unclaimed_until) WHERE unclaimed_until IS NOT NULL",
)

# Whom a job's end is to be told. All that is known is of its last end; "due_at" is NULL while there
# is nothing to tell. "key_name" is the job's: of each key some are looked for.
HOOKS = (
    """
    CREATE TABLE hooks (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        hook_id TEXT NOT NULL UNIQUE,
        job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
        key_name TEXT NOT NULL,
        url TEXT NOT NULL,
        base_url TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        due_at REAL,
        told_at REAL,
        given_up_at REAL,
        answer TEXT,
        UNIQUE (job_id, url)
    )
    """,
    "CREATE INDEX hooks_due ON hooks (key_name, due_at) WHERE due_at IS NOT NULL",
)

TABLES = (
    # "secret": 32 random bytes in hex; "commits": how many commits were synced to the disk.
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # "unclaimed_until": when the last picture dies that nobody has had of a job that is over; NULL
    # if there is none, and once that was told. "promised_at": when somebody was told to ask later.
    """
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL UNIQUE,
        key_name TEXT NOT NULL,
        created_at REAL NOT NULL,
        seconds REAL NOT NULL,
        give_up REAL NOT NULL,
        fingerprint BLOB NOT NULL,
        idempotency_key TEXT,
        plan TEXT NOT NULL,
        links TEXT NOT NULL DEFAULT '{}',
        ended_at REAL,
        failure TEXT,
        delivered_at REAL,
        unclaimed_until REAL,
        promised_at REAL
    )
    """,
    "CREATE INDEX jobs_by_fingerprint ON jobs (key_name, fingerprint)",
    """
    CREATE UNIQUE INDEX jobs_by_idempotency_key ON jobs (key_name, idempotency_key)
    WHERE idempotency_key IS NOT NULL
    """,
    "CREATE INDEX jobs_unfinished ON jobs (number) WHERE ended_at IS NULL",
    "CREATE INDEX jobs_by_end ON jobs (ended_at) WHERE ended_at IS NOT NULL",
    # "replaced": another task has taken over the place; kept for the story. "day" is the one that
    # the task counts for; it costs what is "charged", and what is "reserved" until that is known.
    """
    CREATE TABLE tasks (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        task_id TEXT NOT NULL UNIQUE,
        job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        state TEXT NOT NULL,
        upstream_id TEXT,
        accepted_at REAL,
        cost_usd TEXT,
        replaced INTEGER NOT NULL DEFAULT 0,
        day INTEGER,
        reserved INTEGER NOT NULL DEFAULT 0,
        charged INTEGER
    )
    """,
    "CREATE INDEX tasks_by_job ON tasks (job_id)",
    "CREATE INDEX tasks_by_upstream_id ON tasks (upstream_id) WHERE upstream_id IS NOT NULL",
    "CREATE INDEX tasks_open ON tasks (state) WHERE state NOT IN ('done', 'dropped', 'refused')",
    """
    CREATE TABLE pictures (
        token TEXT PRIMARY KEY,
        task_id TEXT NOT NULL,
        job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        format TEXT NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        size INTEGER NOT NULL,
        expires_at REAL NOT NULL,
        notes TEXT NOT NULL DEFAULT '[]',
        fetched_at REAL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX pictures_by_job ON pictures (job_id)",
    # The story: every event of a task, and of a job (task_id NULL), in order. "name" is the event's
    # class in lower case with underscores, "detail" its own fields.
    """
    CREATE TABLE story (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
        task_id TEXT,
        at REAL NOT NULL,
        name TEXT NOT NULL,
        detail TEXT NOT NULL DEFAULT '{}'
    )
    """,
    "CREATE INDEX story_by_job ON story (job_id)",
    *BOOKS,
    *COUNTS,
    *HOOKS,
)
