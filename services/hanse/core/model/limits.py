"""Every bound, with its reason. Sizes are in bytes, times in microseconds, unless the name says otherwise."""

from __future__ import annotations

# --- job specs (wire) ------------------------------------------------------------------------------------------------

# Every hop copies a spec to a disk; 256 KiB holds thousands of variables, and 1,000 of them fill a few messages.
SPEC_BYTES_MAX = 256 * 1024
# Longer names tear tables apart; ids, keys and names are all shown to people.
NAME_LENGTH_MAX = 128
CLIENT_KEY_LENGTH_MAX = 128
# "org/team/user": what quotas and fair share are cut by.
TENANT_LEVELS_MAX = 3
TENANT_LEVEL_LENGTH_MAX = 63
# Label syntax and sizes are those of Kubernetes, so that labels can be passed through.
LABELS_MAX = 64
LABEL_PREFIX_LENGTH_MAX = 253
LABEL_LENGTH_MAX = 63
# A gang is placed at once: the product bounds the work of one placement.
GROUPS_MAX = 16
GROUP_TASKS_MAX = 10_000
RESOURCE_KINDS_PER_TASK_MAX = 32
RESOURCE_KIND_LENGTH_MAX = 63
# Beyond 2^53 a quantity changes on its way through JSON; it also keeps every sum of a job within 64 bits.
QUANTITY_MAX = 2**53 - 1
# One device in thousandths: below, a share of one; above, whole devices only.
DEVICE_UNIT = 1_000
# Room for more than any machine has, and a bound for what placement prepares for each number of them.
DEVICES_PER_NODE_MAX = 256
CONSTRAINTS_MAX = 32
CONSTRAINT_LENGTH_MAX = 1_024
# Each alternative is a placement that is tried, each preference and affinity a pass over all nodes.
ALTERNATIVES_MAX = 8
PREFERENCES_MAX = 16
AFFINITIES_MAX = 8
TOLERATIONS_MAX = 32
# Sums of all costs of a node stay small numbers that people can weigh against each other.
PLACEMENT_WEIGHT_MAX = 100
# Levels of a topology: row, pod, rack and some to spare.
TOPOLOGY_LEVELS_MAX = 8
TAINTS_MAX = 16
# Linux takes 128 KiB in one argument or variable, the terminating zero included (MAX_ARG_STRLEN).
ARGUMENT_BYTES_MAX = 128 * 1024 - 1
ARGUMENTS_MAX = 4_096
VARIABLES_MAX = 1_024
VARIABLE_NAME_LENGTH_MAX = 256
# PATH_MAX of Linux.
PATH_LENGTH_MAX = 4_096
PRIORITY_MAX = 1_000
RETRIES_MAX = 100
RETRY_RULES_MAX = 16
# Each is looked up in the ledger, and named to whoever asks why the job waits.
AFTER_MAX = 64
# Elements of one array: the most that people submit at a time in the trade, and as many sets of them as a row holds are
# some kilobytes.
ARRAY_ELEMENTS_MAX = 10_000
# Nine digits: what fits into a name, whatever step somebody counts in.
ARRAY_INDEX_MAX = 999_999_999
# Ranges by which an array's indexes are written.
ARRAY_RANGES_MAX = 1_000
# Runs of neighbours by which a set of elements is written, instead of a bit for each element.
SET_RUNS_MAX = 64
# Indexes for people; the rest is a number.
INDEXES_TEXT_LENGTH_MAX = 256
# Elements of which one answer tells by themselves.
ELEMENTS_SHOWN_MAX = 1_000
# Ways in which elements of one array have failed: reasons, and exit codes up to 255.
ARRAY_FAILED_KINDS_MAX = 2_048
# Failed elements that an array's timeline names one by one, and parts of it whose end is noted: a timeline is read, and
# is not to grow with the elements.
ARRAY_FAILURES_NOTED_MAX = 20
ARRAY_TENTHS = 10
GRACE_US_DEFAULT = 10 * 1_000_000
GRACE_US_MAX = 3_600 * 1_000_000
# A year: longer is a mistake of unit.
RUNTIME_ESTIMATE_US_MAX = 366 * 86_400 * 1_000_000
REGION_NAME_LENGTH_MAX = 63
REGION_PREFERENCES_MAX = 64
DATASETS_MAX = 64
DATASET_LENGTH_MAX = 256
FEATURES_MAX = 32
FEATURE_LENGTH_MAX = 64
# A refusal repeats at most this much of a name that a caller sent.
ECHO_LENGTH_MAX = 64
# Specs of one sweep share their shape; these are the shapes and specs in use, not those that ever were.
SHAPE_MEMO_ENTRIES_MAX = 4_096
SPEC_MEMO_ENTRIES_MAX = 8_192
PROGRAM_MEMO_ENTRIES_MAX = 1_024
# Larger specs are parsed again: 1,024 of these take 4 MiB.
PROGRAM_MEMO_SPEC_BYTES_MAX = 4 * 1024

# Tenants, labels and variable names in use; each is remembered up to 512 characters.
WORD_MEMO_ENTRIES_MAX = 1_024

# --- peer messages (wire) --------------------------------------------------------------------------------------------

# Sum over all kinds in one envelope. 2,048 take the receiver's core some 100 ms.
ENVELOPE_MESSAGES_MAX = 2_048
# Home plus four hops (PROTOCOL: at most 4), and room for a later version with more.
PATH_REGIONS_MAX = 16
# Regions of the largest league that is simulated, and their double.
DIGEST_ENTRIES_MAX = 2_048
RECORDS_MAX = 256
RECORD_CLASSES_MAX = 256
RECORD_SHAPES_MAX = 32
RECORD_DATASETS_MAX = 4_096
# A region's name, a dash and 26 characters.
JOB_ID_LENGTH_MAX = REGION_NAME_LENGTH_MAX + 27
# Any word that a peer makes up: ledger ids, cancel ids, causes, addresses, trace contexts, reason codes.
PEER_WORD_LENGTH_MAX = 256
REASON_DETAIL_LENGTH_MAX = 1_024
# Shards that one region leads. Its own, and those of which it is a guardian: each region guards about four at most.
RECORD_LEADS_MAX = 256
# One record of a shard's log: half of what the transport takes. A spec is smaller; the placement of a gang of 100,000
# tasks is not.
LOG_VALUE_BYTES_MAX = 8 * 1024 * 1024
# Records of one APPEND: keys have more than 16 characters, so that its bytes are used up first.
APPEND_RECORDS_MAX = 16_384
# A whole copy at APPEND_BYTES_MAX each: 4 GiB, twice a queue of a million jobs with specs of 2 KiB.
APPEND_PARTS_MAX = 16_384
# Keys beyond the committed prefix of a copy that a member names when it has to be repaired. At 2,000 records a second
# they are 30 s of a leader without any acknowledgement.
LOG_KEYS_MAX = 65_536

# --- gossip and liveness (core) --------------------------------------------------------------------------------------

# Records held. The same bound as for a digest, which has an entry for each of them.
INVENTORY_RECORDS_MAX = DIGEST_ENTRIES_MAX
# One delta. At 1,000 regions that publish every 5 s, 200 records of some 500 bytes are news in one round, and each
# region takes part in four exchanges a round or more: 256 KiB of room for 100 KB.
DELTA_BYTES_MAX = 64 * 1024
# Peers that a region gossips with in each round, and from how many members on it needs one more to be quick enough.
GOSSIP_FANOUT = 2
GOSSIP_FANOUT_LARGE = 3
GOSSIP_LARGE_MEMBERS = 300
# Peers that are asked to probe for us: with three, one lost message in five still leaves 80 % of answers (with the
# repeated direct probe 93 %).
PROBE_HELPERS_MAX = 3
# Probes out of turn in one round: half of 300 regions can be checked in 10 rounds, and a round stays some 16 messages.
PROBES_URGENT_PER_ROUND_MAX = 16
# Probes in flight. Every round starts 1 + 16, and a probe lasts three timeouts, at worst 8 times prolonged:
# 3 x 0.5 s x 8 / 1 s x 17 = 204.
PROBES_OUTSTANDING_MAX = 224
# Probes that ended without an ack, kept in case it comes late: as many again, the oldest are forgotten.
PROBES_UNANSWERED_MAX = PROBES_OUTSTANDING_MAX
# Probes made for others. If a link that everybody uses breaks, each member asks 3 helpers for up to 17 targets a round,
# so each helper is asked some 51 times, and remembers for 4 s (8 timeouts): 204.
PROBE_RELAYS_MAX = 256
# Timeouts are prolonged up to this factor while this region has reason to think that it is itself the slow one
# (the Lifeguard paper's 8).
LOCAL_HEALTH_MULTIPLIER_MAX = 8
# Changes of liveness that wait to be traced. They are taken after every step; one step can change each member twice.
LIVENESS_CHANGES_MAX = 2 * DIGEST_ENTRIES_MAX

# --- roster (core) ---------------------------------------------------------------------------------------------------

# Regions of the largest league that is simulated.
ROSTER_MEMBERS_MAX = 1_024
# Declared lost in all the time that a league exists; their names are never used again.
ROSTER_LOST_MAX = 256
# 1,024 members with a few labels each; several fit into an envelope.
ROSTER_BYTES_MAX = 512 * 1024
# With its signatures: one of 200 characters for each member comes on top.
SIGNED_ROSTER_BYTES_MAX = ROSTER_BYTES_MAX + 200 * ROSTER_MEMBERS_MAX
# Rosters that every member keeps in memory, so that one that was away can fetch what it missed: with ten members 4 MB,
# and a change a week for twenty years.
ROSTER_CHAIN_MAX = 1_024
# What SQLite and JSON can both hold; also of the other numbers in a roster.
ROSTER_EPOCH_MAX = 2**53 - 1
# Of one fetch; a region that lacks more asks again.
ROSTERS_PER_ANSWER_MAX = 16
ROSTERS_PER_ANSWER_BYTES_MAX = 1024 * 1024
# Regions in a guardian set, always an odd number: three outlive the loss of one, five that of two.
GUARDIANS_MIN = 3
GUARDIANS_MAX = 5
# Regions that were members and are still told so; each costs a connection that is idle.
FORMER_MEMBERS_MAX = 64
# Asking ends without a majority after this; callers begin anew while they wait.
ROSTER_ASKING_US = 5_000_000
# Regions that gather at the same time and wait for different times before they try again. More than two or three are
# at it only if as many operators are.
GATHERERS_MAX = 16
# A member that has countersigned waits this much longer for the region that proposed before it gathers by itself.
GATHER_ALONE_US = 5_000_000

# --- scheduling and handoff (core) -----------------------------------------------------------------------------------

# Jobs started in one step: a launch costs some 50 us here, and a step must not hold others up for more than 20 ms.
STARTS_PER_STEP_MAX = 256
# Attempts of one job in one region that may be lost with their supervisor or machine and not count as its failures.
# Both die rarely, and not this often under one job: then the job is taken for the cause.
LOSSES_MAX = 5
# Tiers, tenants, flavours, cohorts or queues of one policy: ten times Kueue's large benchmark.
POLICY_ENTRIES_MAX = 10_000
# Of one policy document: 10,000 entries of some 100 bytes would be more than anybody can read.
POLICY_BYTES_MAX = 512 * 1024
# Rules of one policy: each may be evaluated for each job, some 2.5 us.
POLICY_RULES_MAX = 256
# A rule's refusal, and what an operator says of a change.
POLICY_SENTENCE_LENGTH_MAX = 256
# Of one CEL expression. Its worst case, in units of 0.1 us at most (policies/costs.py): 1.5 ms, enough for a loop over
# labels or data sets, and not for a loop within a loop ...
EXPRESSION_LENGTH_MAX = 2_048
EXPRESSION_COST_MAX = 15_000
# ... and of all rules of a policy together: 2 ms for one job, whatever it says of itself.
POLICY_COST_MAX = 20_000
# Jobs that look alike to the rules, whose ruling is remembered.
RULING_MEMO_ENTRIES_MAX = 4_096
# Rulings worked out in one go before others have their turn: with the costliest rules 16 of them take 32 ms.
RULINGS_PER_TURN_MAX = 16
# How often a submission is ruled anew because the policy changed while it was on its way to the core.
RULING_TRIES_MAX = 3
# A weight of the objective: a factor of 100 is more than anybody can tell apart.
OBJECTIVE_WEIGHT_MAX = 100
# Versions of the policy that a ledger keeps, the newest; a change a day for three years.
POLICY_VERSIONS_KEPT_MAX = 1_000
# Versions in one answer, newest first.
POLICY_HISTORY_MAX = 100
# Of the league's policy document: in JSON each line end and quotation mark of the text takes two bytes ...
LEAGUE_POLICY_BYTES_MAX = 2 * POLICY_BYTES_MAX + 8 * 1024
# ... and with its signature.
SIGNED_POLICY_BYTES_MAX = LEAGUE_POLICY_BYTES_MAX + 1024
# Documents that a region did not take and remembers, so that it does not ask for them again: more are a broken peer's.
LEAGUE_POLICIES_REFUSED_MAX = 16
# Why the league's policy is unfit, as a region's status says it: the first mistakes of the document.
LEAGUE_POLICY_UNFIT_LENGTH_MAX = 1_024
# Jobs of the recent past that a plan replays, newest first: half a minute of work for another process.
PLAN_JOBS_MAX = 10_000
PLAN_TIMEOUT_S = 60.0
# Jobs named one by one in a plan.
PLAN_CHANGES_MAX = 20
# Tenants whose queue, and shapes whose share of the whole is remembered; asked again after this many others.
QUOTA_MEMO_MAX = 4_096
# Combinations of alternatives and flavours that are tried for one job: each is a placement. Eight alternatives of one
# group in eight flavours.
WAYS_MAX = 64
# Pairs of queue and shape whose ways are remembered, some 400 bytes each: as many as wait where a million jobs of seven
# tenants have ten thousand shapes. With fewer each job that comes would have its ways worked out anew.
WAYS_MEMO_MAX = 70_000
# Tenants whose share is remembered; some 300 bytes each. Who holds capacity is never forgotten.
ACCOUNTS_MAX = 16_384
# Of these, how many outlive the daemon, those with the largest shares, and how often they are written: some 50 KB,
# with the end of a job that is written anyway.
ACCOUNTS_SAVED_MAX = 1_024
ACCOUNTS_SAVE_US = 60 * 1_000_000
# Names of jobs, by tenant, whose run times are remembered, and sizes of jobs, by tenant; some 300 bytes each.
RUNTIMES_REMEMBERED_MAX = 16_384
# Ends of running jobs that are looked ahead for a blocked job. One that needs more of them to come waits too long for
# its start to be worth keeping free.
RESERVATION_ENDS_MAX = 4_096
# Lanes of one class that are tried for backfill before the class is passed over until something ends.
BACKFILL_TRIES_MAX = 8
# Reservations of one region that are not over: every start that one of them might concern asks each of them.
RESERVATIONS_MAX = 256
# Windows of one reservation, all of them known when it is made: three a day for a year. Whether they fit beside those
# of the others takes a look at each.
RESERVATION_WINDOWS_MAX = 1_100
# Five fields, with every minute of an hour in a list.
RECURRENCE_LENGTH_MAX = 512
# All windows end by then. What comes later is reserved later, when it is known what the region will be.
RESERVATION_AHEAD_US_MAX = 400 * 86_400 * 1_000_000
# Shorter ones would be over before what is started in them has begun.
RESERVATION_DURATION_US_MIN = 1_000_000
# Tasks of one reservation: as many nodes as a large region has; each is booked at every look ahead.
RESERVATION_TASKS_MAX = 4_096
# A reservation that is over is still listed for a week, so that somebody can see what it was.
RESERVATION_KEPT_US = 7 * 86_400 * 1_000_000
# Sets of reservations whose windows overlap at some instant of a new one. Beyond them the new one has to fit beside
# all of them together, which may refuse it in vain, and never takes it in vain.
RESERVATION_OVERLAPS_MAX = 64
# Nodes that turn out not to do, one after another, before a placement that heeds windows is given up.
RESERVATION_TRIES_MAX = 16
# Jobs that are tried in the room of one window in one cycle: each is a placement on the window's nodes, some 50 us.
RESERVATION_STARTS_TRIED_MAX = 256
# Who is in the way of windows is looked for this often at most, unless one opens: a reservation of the largest size
# takes a tenth of a second.
EVICTIONS_LOOK_US = 1_000_000
# Why a region has not taken its part of a reservation: a sentence or two with names; the rest is cut off.
REFUSAL_LENGTH_MAX = 1_024
# How long the owner of a reservation over several regions waits for all to say that they have room, and then for all to
# take their parts: together they stay below the time that callers give a call.
JOINT_ASK_US = 3 * 1_000_000
JOINT_TAKE_US = 5 * 1_000_000
# Parts that a region has dropped and remembers until they would be over; some 300 bytes each. With so many it takes no
# further parts.
JOINT_DROPPED_MAX = 4096
# When a blocked job that should have started by what was foreseen, and did not, is looked at again if nothing ends:
# seldom enough to cost nothing.
FORESEEN_AGAIN_US = 1_000_000
# A wall clock that jumped is believed when it has gone on steadily for so long, and work is stopped for a window only
# by one that has: longer than time daemons take to set a clock in steps, and no longer than the grace of most jobs.
CLOCK_STEADY_US = 10 * 1_000_000
# What two readings may differ by and still be the same clock: slewing (at most 500 ppm) stays below it for half an
# hour, and a step must see the clock more often than that.
CLOCK_JITTER_US = 1_000_000
# Jobs in one cycle that have room and would delay another; those after them are looked at in the next one. Each costs
# some 100 us, so that a cycle is not prolonged by more than a few milliseconds.
BACKFILL_DENIALS_MAX = 32
# Preemptions under way: each keeps capacity for the job that it was made for.
CLAIMS_MAX = 64
# Running jobs that are considered as victims for one waiting job, those that would lose least first.
VICTIM_CANDIDATES_MAX = 256
# Interruptions of one job that its attainment remembers; those of the last hour count.
ATTAINMENT_GAPS_MAX = 64
# Tenants, by tier, whose attainment is reported; some 200 bytes each.
ATTAINMENT_TENANTS_MAX = 4_096
# How often a running job may be stopped in order to move. Each time costs its grace and what it did since its last
# checkpoint: a job that has had as many drains as that ends where it is.
MOVES_MAX = 3
# Jobs of a region that are stopped to move and not yet taken elsewhere: how many lose time if the others turn out to
# have less room than they told, and how many write their checkpoints at the same time.
MOVES_AT_ONCE_MAX = 64
# Running jobs that may be moved and are looked at, newest first, when room is to be made for a gang.
RUNNING_LOOKED_AT_MAX = 4_096
# Undecided transfers per peer: what a dead peer can hold back, and what a round of resending costs.
TRANSFERS_UNDECIDED_MAX = 256
# Specs sent again in one step: with the largest specs this is 16 of them.
COMMIT_RESEND_BYTES_MAX = 4 * 1024 * 1024
# Jobs in one offer; more than the undecided transfers that could follow would be held for nothing.
OFFER_COUNT_MAX = TRANSFERS_UNDECIDED_MAX
# Peers that one shape is offered to at a time (PROTOCOL).
OFFER_PEERS_MAX = 2
# Offers that wait for an answer, all shapes and peers together.
OFFERS_OUTSTANDING_MAX = 1_024
# Shapes looked abroad for in one step.
OFFER_SHAPES_PER_STEP_MAX = 16
# Holds of all peers together.
HOLDS_MAX = 1_024
# Regions that may have owned a job before it must stay: home and four hops.
HOPS_MAX = 4
# And of a job that can't run where it is: an old disk may have brought it back there.
PATH_MAX = 2 * HOPS_MAX
# A job that comes back from regions that are lost leaves out so many epochs: those at which they may have handed it to
# each other, which nobody is left to tell of.
LOST_EPOCHS_SKIPPED = 2 * PATH_MAX
# Queues are evened out (rebalancing.py) only if one is less than half as long as the other: with records that are some
# seconds old, and predictions that are off by a third, the longer one is really the longer one.
RELIEF_RATIO = 2
# And only for a gain of so many times the cost of a hop, 5 s with the usual timings: shorter waits pass faster than the
# record that told them.
RELIEF_GAIN_HOPS = 100
# Of its HOPS_MAX hops a job may spend so many on shorter queues; the others are for regions that have room for it.
RELIEF_HOPS_MAX = HOPS_MAX // 2
# Shapes looked at for it in one look, those with most jobs.
RELIEF_SHAPES_MAX = 4
# Declined offers that are remembered for soliciting, and refusals of peers that are remembered for explanations.
INTERESTS_MAX = 1_024
REFUSALS_REMEMBERED_MAX = 4_096
# A peer that goes on refusing a shape is asked again after this long at most. Peers with room ask for work themselves,
# so what this costs is seldom a start; without it a stale record costs an offer a second.
REFUSAL_PAUSE_US_MAX = 300 * 1_000_000
# Shapes named in one solicit.
SOLICIT_SHAPES_MAX = 16
# Outcomes and statuses sent to one home in one step.
REPORTS_PER_STEP_MAX = 2_048
# Cancels that arrived before their job. One for each job that a hostile or mistaken peer can name in a day.
INTENTS_MAX = 100_000
# After this a job that a cancel was waiting for will not come any more; by the wall clock, since it spans restarts.
INTENT_AGE_US_MAX = 7 * 86_400 * 1_000_000
# Jobs looked for in one sweep of those that moved on long ago.
LOCATES_PER_SWEEP_MAX = 256
LOCATE_SWEEP_US = 60 * 1_000_000
# Between sweeps that bring nothing to light.
LOCATE_SWEEP_US_MAX = 10 * LOCATE_SWEEP_US
# Job ids in one part of an inquest, and testimonies and bytes in one message of its answer.
INQUEST_JOBS_MAX = 1_000
# Parts of inquests that wait for the ledger: two members with 100,000 jobs each.
LOOKUPS_MAX = 256
INQUEST_ANSWER_JOBS_MAX = 1_000
INQUEST_ANSWER_BYTES_MAX = 1024 * 1024
# Jobs that ended, in one answer to an inquest: a minute's work of a busy region. The asker comes back for more.
INQUEST_ENDED_JOBS_MAX = 5_000
# Boots without hearing all peers that are told apart. At one a minute this is an hour of restarts in a partition;
# what peers saw of lives before them is then taken as true.
LIVES_REMEMBERED_MAX = 64
# Transfer sequences left out towards a member without whose answer an operator let the region go on: more than what
# can be given to one peer in a day, each transfer being two syncs.
SEQUENCES_SKIPPED = 10_000_000
# Verdicts of "can never fit" that are kept until the inventory changes.
NEVER_FITS_MEMO_MAX = 1_024
# Shapes of which it is kept how many have room by a region's record, and records of which that is kept.
ROOMS_MEMO_MAX = 256
ROOMS_RECORDS_MAX = 256
# Final jobs whose outcome the core can still tell without asking the ledger: some 15 MB.
CLOSED_REMEMBERED_MAX = 100_000
# Jobs accepted before their slot is free, if slots are expected to be free again within this time: a round trip of a
# hop (offer, accept, two fsyncs) between distant regions.
ACCEPT_AHEAD_US = 200_000
ACCEPT_AHEAD_MAX = TRANSFERS_UNDECIDED_MAX

# --- daemon ----------------------------------------------------------------------------------------------------------

# What a region of the largest class holds; a range in a config that names more is a typing error.
NODES_MAX = 100_000
# A timer below a millisecond only heats the machine.
TIMING_US_MIN = 1_000
# Jobs and messages that wait for the driver. At 20,000 a second they are 2.5 s of work: more than callers wait for.
INBOX_ITEMS_MAX = 50_000
# Taken into one step: some 50 ms of core, for which the event loop stands still.
STEP_ITEMS_MAX = 1_000
# After a step the next one follows this much later, unless so many items wait already. A round trip between two regions
# takes longer, and a thousand events a second then cost a third of the steps.
STEP_GAP_US = 3_000
# The same once something came that another region waits for, with callers of its own behind it.
STEP_GAP_HURRIED_US = 1_000
# Submissions gather for so long after the step before while others are unanswered: each step that takes one costs a
# sync, and for adoptable jobs an exchange with another region and a sync there. On a busy disk that takes longer.
SUBMIT_GAP_US = 6_000
STEP_ITEMS_ENOUGH = 64
# Steps that may be ahead of the disk. More would only make a failed transaction lose more work.
STEPS_IN_FLIGHT_MAX = 8
# The loop's clock stops while the machine sleeps and the region's does not; a timer that is due is seen this late.
TIMER_WAIT_US_MAX = 1_000_000
# Tells a caller when to come back after a refusal for load: about one full inbox later.
RETRY_AFTER_MS = 1_000
# How often a region may be rebuilt from its disk within REBUILD_WINDOW_US before the daemon gives up.
REBUILDS_MAX = 3
REBUILD_WINDOW_US = 60_000_000
# Between two tries to open a ledger that cannot be opened: at once, REBUILDS_MAX of them would pass within
# milliseconds, and nobody can make room on a full disk meanwhile.
REOPEN_PAUSE_US = 2_000_000
# Orders that wait for the executor: twice the tasks of the largest region.
ORDERS_MAX = 200_000
# Tasks handed to the executor in one call: a launch of more would delay a stop behind it.
LAUNCH_TASKS_MAX = 256

# Messages that wait for one peer: two full envelopes in flight and two that fill up.
LINK_MESSAGES_MAX = 4 * ENVELOPE_MESSAGES_MAX
# Of one envelope, by estimate: half of what the transport takes.
ENVELOPE_BYTES_MAX = 4 * 1024 * 1024
# An exchange is a receipt, not an answer: a peer that needs longer is frozen or far beyond its capacity.
EXCHANGE_TIMEOUT_US = 2_000_000
# Envelopes of one lane that may be under way to a peer. With one, what comes while the peer's disk is slow waits for a
# round trip longer; a peer that has not answered four has enough to do.
LINK_EXCHANGES_MAX = 4
# How long the receipt of an envelope may wait for what follows from it, so that both go back together: a step and a
# commit. Whoever asks for more is given as much.
ANSWER_WAIT_US = 10_000
# What waited longer for a peer is worth nothing any more: every message that matters has a timer that sends it again.
LINK_MESSAGE_AGE_US_MAX = 5_000_000
LINK_BACKOFF_US_MIN = 50_000
LINK_BACKOFF_US_MAX = 2_000_000
# Renewals, votes and acknowledgements of logs that wait for one peer. A group's leader sends one of each at a time.
LINK_URGENT_MESSAGES_MAX = 1_024
# Their exchange: longer than any round trip on Earth, and short beside a development lease (5 s). One that is given up
# may have arrived all the same.
URGENT_TIMEOUT_US = 500_000
# A connection that never answered is given up after so many of them: three round trips of a handshake take longer.
URGENT_TIMEOUTS_MAX = 4
# After a failed one: renewals come often anyway, and a twentieth of a lease is soon over.
URGENT_BACKOFF_US_MAX = 200_000
# Urgent messages that wait for the driver, beside INBOX_ITEMS_MAX: a few for each shard of the largest league of today.
INBOX_URGENT_ITEMS_MAX = 2_048

# So large that a spec of 10 MB gets an answer that names it, not one of the transport's.
RPC_BYTES_MAX = 16 * 1024 * 1024
# Callers that set no deadline get this one; a longer one is cut to it. Streams live until their caller leaves.
RPC_TIMEOUT_S_DEFAULT = 30.0
RPC_TIMEOUT_S_MAX = 300.0
# Unary calls in flight per listener: each holds a few KiB and a place in the inbox.
RPCS_IN_FLIGHT_MAX = 4_096
# Watches and followed logs per listener; each holds a connection's stream and what waits for it.
STREAMS_MAX = 8_192
# Long calls of other regions per listener: one for each member of the largest roster, and one that it left behind.
CONVERSATIONS_MAX = 2 * ROSTER_MEMBERS_MAX
# Queries of streams at once: a quarter of what the ledger takes, so that single calls always find a place.
PATIENT_READS_MAX = 64
SUBMISSIONS_MAX = 1_000
CANCELS_MAX = 1_000
NODE_ORDERS_MAX = 1_000
# It goes into a row of the timeline of each job.
ORDER_WHY_LENGTH_MAX = 256
FILTER_JOB_IDS_MAX = 1_000
PAGE_SIZE_MAX = 1_000
PAGE_SIZE_DEFAULT = 100
PAGE_TOKEN_LENGTH_MAX = 1_024
# Regions asked at once for one list.
FAN_OUT_MAX = 8
# And at most for a job whose home does not answer, besides those that have copies of it: in a large league most regions
# have never heard of it.
ASKED_FOR_A_JOB_MAX = 64
# A proxied call leaves this much of its caller's time for the way back.
PROXY_MARGIN_S = 0.1
PROXY_TIMEOUT_S = 5.0
PROXY_TIMEOUT_FAILING_S = 0.5
# What gossip said of the leaders of shards stands for so long before the core is asked again: records come each second.
LEADERS_AGE_US_MAX = 500_000
# A watch looks so often whether another region leads now.
LEADERS_POLL_S = 1.0

# Each watcher holds at most WATCH_PENDING_JOBS_MAX changes of about 300 bytes.
WATCHERS_MAX = 4_096
# Changes kept for a stream that broke: seconds of a busy region, minutes of an ordinary one; about 30 MB.
WATCH_HISTORY_MAX = 100_000
# A watcher that has more waiting gets only the newest change of each job ...
WATCH_PENDING_CHANGES_MAX = 2_000
# ... and is dropped when even that is too many jobs.
WATCH_PENDING_JOBS_MAX = 20_000
WATCH_RESPONSE_CHANGES_MAX = 500

# Responses of several homes that wait for one caller: each home may be one ahead of it, and two.
MERGED_RESPONSES_MAX = 16

HTTP_REQUEST_BYTES_MAX = 8 * 1024
HTTP_TIMEOUT_S = 5.0
HTTP_CONNECTIONS_MAX = 64
# From SIGTERM to the end of the process: open calls get the first half.
SHUTDOWN_TIMEOUT_S = 10.0
# A driver that has not stepped for so long hangs: it steps at least as often as its gossip, once a second.
STALLED_US_MAX = 30_000_000
# Sampled jobs whose phase is remembered: at 1 % sampling, a million jobs.
TRACED_JOBS_MAX = 10_000

# --- shards (core) ---------------------------------------------------------------------------------------------------

# Records of one APPEND: what a link sends in some milliseconds, and far below an envelope.
APPEND_BYTES_MAX = 256 * 1024
# Batches under way to one member; what the log gains meanwhile goes with the next.
APPENDS_IN_FLIGHT_MAX = 8
# Rows that callers read of jobs of shards are written with whatever is written next; if that is nothing for so long,
# by themselves. Only who lists or watches without having asked for these jobs sees the delay.
ROWS_DELAY_US = 20_000
# Steps whose effects wait for a majority. Beyond it nothing new is admitted: the group can't keep up.
GATE_STEPS_MAX = 4_096

# --- global quotas (core) --------------------------------------------------------------------------------------------

# Quotas of one league: every region holds a balance of each in two accounts, and gossips of those that it has free.
QUOTAS_MAX = 256
# 256 quotas with the longest names and a heading.
QUOTA_DOCUMENT_BYTES_MAX = 128 * 1024
# With its signature.
SIGNED_QUOTAS_BYTES_MAX = QUOTA_DOCUMENT_BYTES_MAX + 1024
# What SQLite and JSON can both hold; also of limits.
QUOTA_NUMBER_MAX = 2**53 - 1
# Documents that every member keeps, so that one that was away can fetch what it missed: a change a week for twenty
# years.
QUOTA_DOCUMENTS_MAX = 1_024
# Of one fetch; a region that lacks more asks again.
QUOTA_DOCUMENTS_PER_ANSWER_MAX = 16
# Quotas with free rights that a region tells of in its record: those with most. The rest is found by asking.
RIGHTS_NEWS_MAX = 32
# Accounts of one region: its own, and those of the shards that it leads.
ACCOUNTS_NEWS_MAX = 1 + RECORD_LEADS_MAX
# Regions that one account asks at a time for what it lacks.
RIGHTS_ASKED_MAX = 4
# Accounts of others whose wishes are remembered: two of each region of the largest league.
RIGHTS_WISHES_MAX = 2 * ROSTER_MEMBERS_MAX
# Accounts, in all their lives, that have ever given rights to one account. A life ends with a lost disk only.
RIGHTS_GIVERS_MAX = 8 * ROSTER_MEMBERS_MAX
# What shapes of a tenant's jobs need, remembered while the documents stay the same.
RIGHTS_NEEDS_MEMO_MAX = 4_096
# Jobs that got their rights and go back to the queue in one step: as many as can be started.
RIGHTS_READMITTED_MAX = STARTS_PER_STEP_MAX

# --- explanations and plans -------------------------------------------------------------------------------------------

# What a person can take in; the message says how many more there are.
EXPLAINED_NODES_MAX = 10
# "go_and_wait:", the longest name of a region, and a digest of 8 bytes.
PLAN_INDEX_LENGTH_MAX = 128

# --- the decision log ------------------------------------------------------------------------------------------------

# A block is deflated as a whole: long enough for what repeats itself, short enough to be lost.
JOURNAL_BLOCK_BYTES = 64 * 1024
# Longer than a block takes to fill under load; what a crash takes at most.
JOURNAL_FLUSH_US = 1_000_000
# Some seconds of the heaviest load. Beyond it the writer has a problem, and the journal a gap.
JOURNAL_WAITING_BYTES_MAX = 32 * 1024 * 1024
# What makes room is one segment: an eighth of what is kept.
JOURNAL_SEGMENTS = 8
# Of what is kept, at least two thirds can be replayed.
JOURNAL_IMAGES = 3
# To how small a part inputs are deflated at least, as counted; it only decides when a segment is full.
JOURNAL_DEFLATES_TO = 3
# After a failure, until it is tried again.
JOURNAL_RETRY_US = 60 * 1_000_000
# A region with 200,000 allocations takes some ten seconds on a slow processor that it shares.
IMAGE_TIMEOUT_S = 120.0
# A block holds steps of some 64 KiB, and the largest step that there is: a full inbox of the largest submissions.
JOURNAL_FRAME_BYTES_MAX = 1 << 30
