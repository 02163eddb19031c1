//! The engine's limits: each with its unit, its reason, and a test that reaches it. No code here.

use std::time::Duration;

// ---- configs and roles ----

/// Bytes of an organization's, a role's or an Astra role's name: what Vault's own engines allow.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// Bytes of a token's logical name; it is hashed into the storage key, so any length would work, but it is listed too.
pub(crate) const TOKEN_LOGICAL_NAME_BYTES_MAX: usize = 256;

/// Bytes of an admin token; Astra's have 97, and it must fit a header line.
pub(crate) const ADMIN_TOKEN_BYTES_MAX: usize = 512;

/// Bytes of a description template, as the contract says.
pub(crate) const DESCRIPTION_BYTES_MAX: usize = 256;

/// Organizations of one mount: a list, or a look-up without the cache, reads each, and a request has 10,000 storage calls.
pub(crate) const CONFIGS_MAX: usize = 2_000;

/// What a renewal may fall short of without a warning: the server rounds both ends of a lease to whole seconds.
pub(crate) const RENEWAL_ROUNDING: Duration = Duration::from_secs(1);

/// Roles that one answer lists: at most some 450 bytes each, and the host allows an answer 8 MiB.
pub(crate) const ROLES_LISTED_MAX: usize = 15_000;

/// The largest `max_tokens`: so many tokens can be counted, at two reads each, with a few hundred write-ahead entries.
pub(crate) const MAX_TOKENS_MAX: u32 = 4_000;

/// Storage calls of a count for `max_tokens`: the host allows a request 10,000, of which the rest of the mint needs some.
pub(crate) const COUNT_CALLS_MAX: usize = 9_000;

/// 32 MiB: records that such a count reads. The host allows a request 64 MiB of storage, and one second of processor time.
pub(crate) const COUNT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Records that a count reads at once: their entries are in memory together.
pub(crate) const RECORDS_READ_AT_ONCE: usize = 100;

/// Roles that `key_info` of one list describes: each costs a read, and the host allows a request 10,000 storage calls.
pub(crate) const ROLES_DESCRIBED_MAX: usize = 1_000;

/// Roles that are read at once: their entries are in memory together.
pub(crate) const ROLES_READ_AT_ONCE: usize = 100;

/// Astra roles of one role, and of one list of allowed ones.
pub(crate) const ROLE_IDS_MAX: usize = 100;

/// Bytes of a storage key: the host refuses longer ones, so nothing can be stored there.
pub(crate) const STORAGE_KEY_BYTES_MAX: usize = 4 * 1024;

/// Keys of entries that cannot be read which one walk keeps for `check`, and entries of each other kind that `check`
/// looks at for it: enough to begin with.
pub(crate) const UNREADABLE_KEPT_MAX: usize = 50;

/// Names of one folder of the schedule queue that a rollback call lists: only a hand in storage makes names of another form.
pub(crate) const QUEUE_NAMES_MAX: usize = 20_000;

/// Names that one storage call lists.
pub(crate) const LIST_PAGE: u32 = 1_000;

/// Folders that a walk goes down: only odd old names hold slashes.
pub(crate) const WALK_DEPTH_MAX: usize = 32;

/// How often entries that belong together are written again after a conflict.
pub(crate) const TRANSACTION_ATTEMPTS_MAX: u32 = 5;

/// Old configs of one organization that are kept for revocation: one for each origin that still has tokens.
pub(crate) const RETIRED_CONFIGS_MAX: usize = 8;

/// Records, and write-ahead entries, that one search for tokens of a retired config reads: up to four of 10,000 calls each.
pub(crate) const RETIRED_SEARCH_RECORDS_MAX: usize = 500;

/// 64 KiB: the damaged entry of retired configs that a write carries along. [`RETIRED_CONFIGS_MAX`] configs are smaller;
/// as the numbers of its bytes the damage still fits an entry of 1 MiB, the server's limit.
pub(crate) const RETIRED_DAMAGED_BYTES_MAX: usize = 64 * 1024;

/// Bound on the wait for the head of an upstream answer, and between two reads of it, where the config sets none.
pub(crate) const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// Largest such bound: a whole request has no more than [`UPSTREAM_BUDGET`].
pub(crate) const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// Repeats of one upstream request where the config sets none.
pub(crate) const RETRIES_DEFAULT: u32 = 2;

/// Most repeats of one upstream request: beyond, the server's own deadline comes first.
pub(crate) const RETRIES_MAX: u32 = 10;

/// How long an old admin token lives on after a rotation where the config sets nothing, as the contract says.
pub(crate) const ROTATION_GRACE_DEFAULT: Duration = Duration::from_secs(10 * 60);

/// Wait for Astra's word on a new admin token before it is stored unchecked.
pub(crate) const VERIFY_TIMEOUT: Duration = Duration::from_secs(5);

/// Astra roles imported from one organization: each is read and written singly, by the host's 10,000 storage calls.
pub(crate) const IMPORTED_ROLES_MAX: usize = 2_000;

/// 16 KiB: the entry of an Astra role. A resource has some 100 bytes, and a role some ten of them.
pub(crate) const ASTRA_ROLE_BYTES_MAX: usize = 16 * 1024;

/// Entries of Astra roles that one request reads, and writes if they changed: beside the other work of a `tidy` or a
/// `sync-roles`, for the host allows a request 10,000 storage calls. An organization has some twenty Astra roles.
pub(crate) const ASTRA_ROLES_NOTED_MAX: usize = 400;

/// Entries of Astra roles in one write: together they fit an entry of the server's log, 1 MiB.
pub(crate) const ASTRA_ROLES_PER_WRITE: usize = 20;

/// How long an entry of an Astra role that has not changed is not written again.
pub(crate) const ASTRA_ROLE_NOTED_AGAIN: Duration = Duration::from_secs(24 * 3600);

/// How long what is known of an Astra role is kept after Astra listed the role last: as long as the history of a token.
pub(crate) const ASTRA_ROLE_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// How long `sync-roles` begins with further organizations: with one more's [`UPSTREAM_BUDGET`] it fits the host's 60 s.
pub(crate) const SYNC_ALL_BUDGET: Duration = Duration::from_secs(20);

// ---- tokens ----

/// Locks under which leased mints of one organization start: so many write their entries at once, which takes a disk some
/// milliseconds each. A look for such mints waits for each lock in turn.
pub(crate) const MINT_STARTS_MAX: u8 = 64;

/// All upstream work of one request, waits included: with [`SETTLE_BUDGET`] and a lock's 10 s it fits the host's 60 s.
pub(crate) const UPSTREAM_BUDGET: Duration = Duration::from_secs(35);

/// What is left for cleaning up after a mint that failed late.
pub(crate) const SETTLE_BUDGET: Duration = Duration::from_secs(12);

/// No upstream request is begun with less time than this: it could only be acted on and lost.
pub(crate) const UPSTREAM_TIME_MIN: Duration = Duration::from_millis(250);

/// 8 MiB: an answer of Astra that is read whole. Such an answer is some KiB; the list of tokens is read as a stream.
pub(crate) const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// 64 KiB: the body of an answer that is an error, of which only Astra's error number is read.
pub(crate) const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;

/// 256 KiB: one entry of Astra's list of tokens. Such an entry has some 300 bytes, and 40 more for each role.
pub(crate) const LISTED_TOKEN_BYTES_MAX: usize = 256 * 1024;

/// Doublings of a pause between attempts. More make no difference: each pause has a limit far below.
pub(crate) const BACK_OFF_DOUBLINGS_MAX: u32 = 16;

/// First pause before an upstream request is repeated; doubles each time.
pub(crate) const BACK_OFF_FIRST: Duration = Duration::from_millis(250);

/// Longest pause of our own choice.
pub(crate) const BACK_OFF_MAX: Duration = Duration::from_secs(4);

/// Longest `Retry-After` that a request waits for. If Astra asks for more, the request fails, and the client may retry.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(15);

/// Pairs of metadata of one token, and bytes of a key and of a value: those of the server's own identities.
pub(crate) const METADATA_PAIRS_MAX: usize = 64;

/// See [`METADATA_PAIRS_MAX`].
pub(crate) const METADATA_KEY_BYTES_MAX: usize = 128;

/// See [`METADATA_PAIRS_MAX`].
pub(crate) const METADATA_VALUE_BYTES_MAX: usize = 512;

/// Bytes of a client ID; Astra's have 24.
pub(crate) const CLIENT_ID_BYTES_MAX: usize = 128;

/// Bytes of a token's description in Astra, mark included.
pub(crate) const ASTRA_DESCRIPTION_BYTES_MAX: usize = 256;

/// How long the task of a token without a record stays queued: without transactions the record is written a moment later.
pub(crate) const TASK_ALONE: Duration = Duration::from_secs(60);

/// How long after its lease's latest end a token is ended by rollback, and by Astra:
/// longer than the server's six attempts at a revocation take (10 s doubling, up to half more each: 16 min).
pub(crate) const LEASE_END_MARGIN: Duration = Duration::from_secs(20 * 60);

/// Tokens that one rollback call ends.
pub(crate) const ENDED_PER_ROLLBACK_MAX: usize = 50;

/// Time in which a rollback call begins with further ended records, and then with further things that are due; the
/// next call goes on. With the 10 s of the write-ahead entries, and with an Astra that hangs at the last of each
/// (10 s to end a token, 20 s to rotate one and end the one before), all have their turn in the host's 60 s.
pub(crate) const ROLLBACK_BUDGET: Duration = Duration::from_secs(7);

/// Bound on one upstream request of a rollback call, where many tokens wait.
pub(crate) const ROLLBACK_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// All upstream work of a client of a rollback call, where many tokens wait: a list of 300 MB comes in that time at
/// 20 MB/s, and what the last organization of a budget takes still fits the host's 60 s.
pub(crate) const ROLLBACK_UPSTREAM_BUDGET: Duration = Duration::from_secs(15);

/// How long what a complete list said counts for other tokens: Astra is asked first about each, and a flood of
/// revocations, such as `revoke-prefix`, reads the list once a minute.
pub(crate) const LISTED_TOKENS_USED_FOR: Duration = Duration::from_secs(60);

/// Tokens of a list of which is kept that they were listed: 8 bytes each are in memory while a list is read.
pub(crate) const LISTED_TOKENS_MAX: usize = 2_000_000;

/// 768 KiB: what is kept of one list, well below the server's 1 MiB for an entry. Of 1,000,000 tokens one unlisted in 20
/// then looks listed, and the list is read for that one.
pub(crate) const LISTED_TOKENS_FILTER_BYTES_MAX: usize = 768 * 1024;

/// How long an ended record waits after its token could not be ended.
pub(crate) const ENDED_RETRY_PAUSE: Duration = Duration::from_secs(10 * 60);

/// How long a revocation begins to ask further organizations for a token that its own one does not list: with one more's
/// list and deletion of [`ROLLBACK_REQUEST_TIMEOUT`] each it fits the host's 60 s.
pub(crate) const ELSEWHERE_BUDGET: Duration = Duration::from_secs(20);

/// The same within a rollback call, which has other work, too: see [`ROLLBACK_BUDGET`].
pub(crate) const ELSEWHERE_ROLLBACK_BUDGET: Duration = Duration::from_secs(2);

/// Organizations that one attempt asks for such a token, one list each in its time; the next attempt goes on.
pub(crate) const ELSEWHERE_ASKED_PER_CALL_MAX: usize = 100;

/// How long after its lease's end such a token is looked for while an organization does not answer, as the contract says.
pub(crate) const ELSEWHERE_GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Organizations that were not asked which log and history name, at some 100 bytes each.
pub(crate) const ELSEWHERE_NAMED_MAX: usize = 20;

/// Configs that one storage call reads: at most some 10 KiB each.
pub(crate) const CONFIGS_READ_AT_ONCE: usize = 100;

/// Records that one rollback call looks at for the index: some five storage calls each of the host's 10,000.
pub(crate) const INDEXED_PER_ROLLBACK_MAX: u32 = 200;

/// How long after a whole walk the records are walked through again, for what the Go plugin may have made meanwhile:
/// soon enough for who goes back to it and returns, and one step an hour on a mount of few tokens.
pub(crate) const INDEX_WALK_PAUSE: Duration = Duration::from_secs(3600);

/// Tokens that one list describes, and records that one look-up walks through where the index is not filled yet: two
/// reads each of the host's 10,000 for a request. With [`TOKENS_LISTED_MAX`] names that takes some 32 MiB of an instance's 64.
pub(crate) const TOKENS_DESCRIBED_MAX: usize = 4_000;

/// Bytes of what clients noted about the tokens that one list describes: an answer has the host's 8 MiB, of which the
/// names may take 3, and each byte is in memory some four times.
pub(crate) const TOKENS_DESCRIBED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// 8 MiB: histories in the records of the tokens that one list describes. The list does not show them, but they are read
/// and parsed in the host's 64 MiB of storage and 1 s of processor time for a request.
pub(crate) const TOKENS_DESCRIBED_HISTORY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes that a described token counts for beside what was noted about it.
pub(crate) const TOKEN_DESCRIBED_BYTES: usize = 512;

/// Tokens that one list names: the host allows a request 250,000 names, and an answer 8 MiB.
pub(crate) const TOKENS_LISTED_MAX: usize = 100_000;

/// Tokens that one request counts, of all organizations: see [`TOKENS_LISTED_MAX`].
pub(crate) const TOKENS_COUNTED_MAX: usize = 200_000;

/// Tokens of an organization from which on their number is kept, and not counted for each who asks: one page of names.
pub(crate) const TOKENS_KEPT_COUNT_MIN: usize = 1_000;

/// Tokens that one rollback call counts: with a tidy's ([`TIDY_COMPARED_MAX`]) and 40,000 other names below the host's 250,000.
pub(crate) const TOKENS_RECOUNTED_MAX: usize = 100_000;

/// How long a kept number counts while the walk of the index goes on, which takes two hundred tokens a minute and rests an hour.
pub(crate) const TOKENS_RECOUNT_PAUSE: Duration = Duration::from_secs(10 * 60);

/// Write-ahead entries of an organization, or of a mount, looked through: one read each of the host's 10,000 for a request.
pub(crate) const OPEN_INTENTS_MAX: usize = 2_000;

// ---- schedules ----

/// Shortest time between two of a thing's turns: the server calls rollback once a minute.
pub(crate) const SCHEDULE_PERIOD_MIN: Duration = Duration::from_secs(60);

/// Longest such time: more is a mistake in the unit, and no token lives that long.
pub(crate) const SCHEDULE_PERIOD_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Bytes of a cron expression; a list of all minutes would be longer, but nobody writes it.
pub(crate) const SCHEDULE_BYTES_MAX: usize = 128;

/// Shortest window: a few of the server's calls, so that one that fails is not the last.
pub(crate) const SCHEDULE_WINDOW_MIN: Duration = Duration::from_secs(5 * 60);

/// Due tasks of one kind that are listed at once, to share a call among organizations: 20 lists for the four kinds.
pub(crate) const QUEUED_TASKS_LISTED_MAX: usize = 5_000;

/// Due tasks of tokens that one rollback call looks at: some four calls each of the host's 10,000.
pub(crate) const QUEUED_TOKENS_PER_ROLLBACK_MAX: usize = 1_000;

/// Due tasks of one kind, tokens apart, that one rollback call does; the next call goes on.
pub(crate) const SCHEDULED_TASKS_PER_ROLLBACK_MAX: usize = 50;

/// Tasks of tokens that move in one transaction, well below what one entry of the server's log may hold.
pub(crate) const QUEUED_TOKENS_PER_WRITE: usize = 50;

/// Hours of the schedule queue that one rollback call looks into, some lists each: more hours have tasks only after the
/// server was down for weeks, and then the next call goes on.
pub(crate) const QUEUE_HOURS_PER_ROLLBACK_MAX: u32 = 1_000;

/// First pause before a scheduled rotation that failed is tried again: the server's next call; doubles each time.
pub(crate) const ROTATION_BACK_OFF_FIRST: Duration = Duration::from_secs(60);

/// Longest such pause: an Astra that is back is used within the hour.
pub(crate) const ROTATION_BACK_OFF_MAX: Duration = Duration::from_secs(3600);

/// How long before the grace period a token that Astra ends by itself is replaced: time for some attempts that fail.
pub(crate) const RENEWAL_LEAD: Duration = Duration::from_secs(3600);

/// All attempts to prove a new token: what the work leaves before [`SETTLE_BUDGET`] begins is often less.
pub(crate) const PROOF_BUDGET: Duration = Duration::from_secs(8);

/// Repeats of a proof: Astra may need some seconds until a new token works everywhere.
pub(crate) const PROOF_RETRIES: u32 = 4;

// ---- history ----

/// Events of one token's history, its mint included, as the contract says.
pub(crate) const HISTORY_EVENTS_MAX: usize = 100;

/// 512 KiB: a damaged history that is kept within the next one. A full history is smaller, and both fit an entry of 1 MiB.
pub(crate) const HISTORY_DAMAGED_BYTES_MAX: usize = 512 * 1024;

/// How long the history of an ended token is kept, as the contract says.
pub(crate) const HISTORY_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// Reads of one token's secret of which one folds all that wait into the token's history: so many wait then, mostly, and
/// each read costs some two storage calls more.
pub(crate) const READS_PER_FOLD: u64 = 64;

/// Reads of one token that are folded in one transaction, well below what one entry of the server's log may hold.
pub(crate) const READS_FOLDED_AT_ONCE_MAX: u32 = 250;

/// Storage calls of the host's 10,000 in which a rollback call begins to fold the reads of one more token.
pub(crate) const READS_FOLD_CALLS_PER_ROLLBACK_MAX: usize = 2_000;

/// Bytes of each text that says who: the server bounds none of them, and a full history must fit an entry of 1 MiB.
pub(crate) const WHO_BYTES_MAX: usize = 256;

// ---- report ----

/// Tokens on one page of a report, as the contract says.
pub(crate) const REPORT_PAGE_MAX: usize = 1_000;

/// Storage calls in which a report begins to read a further hundred records: with three for each record and the other
/// reads of a page below the host's 10,000 for a request, and well within its one second of processor time.
pub(crate) const REPORT_CALLS_MAX: usize = 5_000;

/// 8 MiB of entries that a report reads, beyond which it reads no more: see [`TOKENS_DESCRIBED_HISTORY_BYTES_MAX`].
pub(crate) const REPORT_READ_BYTES_MAX: usize = 8 * 1024 * 1024;

/// 4 MiB: what a page of a report shows, beyond which it ends early. A token has at most some 60 KiB, with its Astra roles
/// 1.6 MiB more, and the host allows an answer 8 MiB.
pub(crate) const REPORT_SHOWN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Names that one count of a summary has, such as owners: beyond, tokens are counted together, as the answer has 8 MiB
/// and a pair of metadata some 640 bytes.
pub(crate) const SUMMARY_NAMES_MAX: usize = 2_000;

/// Tokens of a mount with reads that wait for rollback which a report knows of: more than are read in a minute.
pub(crate) const WAITING_READS_SEEN_MAX: usize = 20_000;

/// Organizations with metrics of their own: some ten lines of text each, and two reads beside those of their static roles.
pub(crate) const METRICS_ORGANIZATIONS_MAX: usize = 200;

// ---- tidy and check ----

/// How long a tidy by hand begins with organizations: with one more's [`UPSTREAM_BUDGET`] it fits the host's 60 s.
pub(crate) const TIDY_BEGIN_BUDGET: Duration = Duration::from_secs(20);

/// How long a tidy by hand begins with further tokens: with a lock's 10 s and one deletion it fits the host's 60 s.
pub(crate) const TIDY_BUDGET: Duration = Duration::from_secs(35);

/// Organizations that one tidy looks at: some six storage calls each of the host's 10,000 for a request.
pub(crate) const TIDY_ORGANIZATIONS_MAX: usize = 500;

/// How long a scheduled tidy begins with further tokens: longer than it begins with lists, for a long list takes its
/// time. With what a rollback call may take before it (34 s, see [`ROLLBACK_BUDGET`]) and one deletion it fits the
/// host's 60 s.
pub(crate) const TIDY_SCHEDULED_BUDGET: Duration = Duration::from_secs(15);

/// Listed tokens after which a tidy begins with no further list: each takes processor time, of which a request has a
/// bounded amount. One list alone may be longer.
pub(crate) const TIDY_LISTED_MAX: usize = 250_000;

/// How long after the last scheduled tidy began another may be in the same rollback call: the host ends each after 60 s.
pub(crate) const TIDY_SAME_CALL: Duration = Duration::from_secs(60);

/// Records of all organizations that one tidy compares with Astra's lists; the next goes on. Each takes some 100 bytes
/// of an instance's 64 MiB, and the host lists 250,000 names for a request. A million of them take ten calls.
pub(crate) const TIDY_COMPARED_MAX: usize = 100_000;

/// Listed tokens without a record that one tidy of an organization keeps in memory, some 200 bytes each; the next goes
/// on after them. It could not look at more: see [`TIDY_LOOKED_AT_MAX`].
pub(crate) const TIDY_ORPHANS_MAX: usize = 1_000;

/// How long after an unfinished tidy the next one goes on where it stopped: what was compared longer ago is compared again.
pub(crate) const TIDY_GO_ON_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// Entries that one tidy reads to look at what stands out: up to five calls each of the host's 10,000 for a request.
pub(crate) const TIDY_LOOKED_AT_MAX: usize = 1_000;

/// Reads of one call each, of static roles and of other organizations' indexes, for the price of one such entry.
pub(crate) const TIDY_READS_PER_ENTRY: usize = 5;

/// Tokens and records that one tidy removes: some dozen storage calls each, its history included, of the host's 10,000.
pub(crate) const TIDY_REMOVED_MAX: usize = 100;

/// Records whose lease has ended that one tidy looks at: rollback ends them, so that more are there only while Astra
/// fails. They leave room for the static roles of one organization: see [`STATIC_ROLES_MAX`].
pub(crate) const TIDY_ENDED_MAX: usize = 200;

/// Sentences that one organization's result keeps: the first few tell what is wrong.
pub(crate) const TIDY_MESSAGES_MAX: usize = 20;

/// Client IDs of one kind that an answer of `tidy` shows: some 30 bytes each of the host's 8 MiB.
pub(crate) const TIDY_SHOWN_MAX: usize = 20_000;

/// First pause after a scheduled tidy that failed; doubles each time, up to the organization's own period.
pub(crate) const TIDY_BACK_OFF_FIRST: Duration = Duration::from_secs(5 * 60);

/// Pause after a scheduled tidy that met a limit: what is left has its turn with the server's next calls.
pub(crate) const TIDY_GO_ON_PAUSE: Duration = Duration::from_secs(60);

/// An admin token that Astra ends within this time is told of: long enough to replace it by hand.
pub(crate) const ADMIN_TOKEN_EXPIRY_NEAR: Duration = Duration::from_secs(14 * 24 * 3600);

/// Bound on one request of a check to Astra: three of them, and a token made and deleted, fit the host's 60 s.
pub(crate) const CHECK_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Difference of clocks that a check finds no fault with: far below the margins that ends of tokens have.
pub(crate) const CLOCK_SKEW_MAX: Duration = Duration::from_secs(60);

/// Roles, and static roles, that a check reads: an instance's memory does not come back, and Astra's lists may take half.
pub(crate) const CHECKED_ROLES_MAX: usize = 1_000;

/// Configs, and retired ones, that a check reads to tell which cannot be read: one call each of the host's 10,000.
pub(crate) const CHECKED_CONFIGS_MAX: usize = 1_000;

/// Names of a kind that a check's sentence shows: enough to begin with.
pub(crate) const CHECK_NAMES_SHOWN_MAX: usize = 5;

/// How long after its time something due counts as overdue: some of the server's calls, one each minute.
pub(crate) const OVERDUE_AFTER: Duration = Duration::from_secs(15 * 60);

/// How long the token that a deep check makes may live if nothing deletes it: longer than rollback needs to find it.
pub(crate) const CHECK_TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// How often the log says that Astra refuses one organization's admin token: rollback finds it out each minute.
pub(crate) const ADMIN_REFUSAL_LOG_PERIOD: Duration = Duration::from_secs(3600);

// ---- tokens that the mount serves ----

/// How often rollback compares static roles' tokens with Astra's list, as the contract says, and looks for admin tokens' ends.
pub(crate) const HELD_LOOK_PERIOD: Duration = Duration::from_secs(3600);

/// Organizations that one rollback call compares so: each takes a list of Astra's; the next call goes on.
pub(crate) const HELD_ORGANIZATIONS_PER_ROLLBACK_MAX: u32 = 20;

/// Tokens of one organization that one comparison tries with a call of their own, some 5 s each at the worst: the next
/// rollback call goes on where dead ones were among them.
pub(crate) const HELD_PROOFS_MAX: usize = 20;

/// How long a check begins with further such calls: with its other questions, one of the calls and a deep check's
/// token it fits the host's 60 s.
pub(crate) const CHECK_PROOF_BUDGET: Duration = Duration::from_secs(5);

/// How long rollback waits between two counts of the tokens of each role: alerts need no newer numbers.
pub(crate) const ROLE_COUNT_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Records that one rollback call reads to count them: 10,000 are counted in five calls of the host's 10,000 storage calls.
pub(crate) const ROLE_COUNT_RECORDS_MAX: usize = 2_000;

/// 8 MiB: the records that such a call reads, of the 64 MiB that the host allows a request.
pub(crate) const ROLE_COUNT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Organizations, roles and kinds together that are counted apart: each is a time series, and some 300 bytes of one entry.
pub(crate) const ROLE_COUNT_SERIES_MAX: usize = 1_000;

/// How long what Astra said of the end of an admin token is believed: a day is short of the weeks in which to act.
pub(crate) const ADMIN_END_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Organizations whose end of the admin token one rollback call looks at: two storage calls each.
pub(crate) const ADMIN_END_ORGANIZATIONS_MAX: usize = 100;

/// Lists of Astra that one rollback call asks for so; the next call goes on.
pub(crate) const ADMIN_END_LISTS_MAX: usize = 10;

// ---- static roles ----

/// Static roles of one organization: a list reads each, and the host allows a request 10,000 storage calls.
pub(crate) const STATIC_ROLES_MAX: usize = 4_000;

/// Static roles that are read at once: their entries are in memory together.
pub(crate) const STATIC_ROLES_READ_AT_ONCE: usize = 100;

/// How long a replaced token lives on where a static role sets nothing, as the contract says.
pub(crate) const STATIC_GRACE_DEFAULT: Duration = Duration::from_secs(3600);

/// Replaced tokens of one static role that live on at a time: each rotation by hand adds one, and one delete ends all.
pub(crate) const REPLACED_TOKENS_MAX: usize = 16;

/// Time within which the deletion of a static role begins to end one more token: its requests and a lock still fit 60 s.
pub(crate) const STATIC_DELETE_BUDGET: Duration = Duration::from_secs(25);

/// Static roles that one forced deletion of a config ends: some ten storage calls each of the host's 10,000.
pub(crate) const STATIC_ROLES_ENDED_MAX: usize = 500;
