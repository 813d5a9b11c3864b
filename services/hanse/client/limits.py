"""Every bound of the client, with its reason."""

from __future__ import annotations

# A spec is stored with its job and travels in every handoff of it; regions refuse larger ones.
SPEC_BYTES_MAX = 256 * 1024

# What SubmitJobs takes at most in one message.
BATCH_JOBS_MAX = 1_000

# Large enough that the fsync behind each acknowledgement is shared by many jobs, small enough that several batches are
# under way at once.
BATCH_JOBS = 500

# gRPC servers refuse messages over 4 MiB by default; half of it leaves room for envelopes and for a proxying region.
BATCH_BYTES_MAX = 2 * 1024 * 1024

# Batches under way at once: one being committed, one on the wire each way, one being built.
BATCHES_IN_FLIGHT = 4

# One page of ListJobs and one WatchJobs filter: the server's own bound.
PAGE_JOBS_MAX = 1_000
WATCH_IDS_MAX = 1_000

# Cancellations in one message; each is about 40 bytes.
CANCEL_IDS_MAX = 1_000

# Job ids whose final state a watch remembers, so that a resumed stream does not repeat them: about 20 MB.
FINALS_REMEMBERED_MAX = 100_000

# A stream that says nothing for this long is probed, so that a frozen region or a half-open connection is noticed.
STREAM_QUIET_S = 10.0
PROBE_TIMEOUT_S = 3.0

# `wait` asks for the outstanding jobs this often, whatever the stream says: a watch is a hint, the list is the truth.
WAIT_RELIST_S = 30.0

# GetJob calls under way at once when jobs are looked up one by one.
LOOKUPS_IN_FLIGHT = 16

# Answers can hold 1,000 jobs with specs and timelines.
RECEIVE_BYTES_MAX = 64 * 1024 * 1024

# A server's retry hint is honoured up to here, so that a wrong one cannot park a client for hours.
RETRY_AFTER_MAX_S = 60.0

# A spec file is read into memory whole.
SPEC_FILE_BYTES_MAX = 64 * 1024 * 1024

# A text has no more values than characters, unless YAML aliases repeat some: so many more, that a small file cannot
# expand without end.
SPEC_FILE_ALIASED_VALUES_MAX = 100_000

# Mistakes reported for one file: more than that says something else is wrong.
SPEC_PROBLEMS_MAX = 20

# Later than any roster: a question for what followed on it has a short answer.
NO_EPOCH = 2**53 - 1
