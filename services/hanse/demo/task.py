"""The program of every task: it lasts as long as it is told, and keeps a record of its own that nobody else writes.

Two lines of JSON in one file per task, each appended with one write and fsynced before the task goes on. The record is
what the demo believes: what a scheduler says of its jobs proves nothing about what really ran. A shell does it with
five short processes, some 6 ms of CPU; starting Python would take five times that.
"""

from __future__ import annotations

from pathlib import Path

# $1: directory of the records; $2: seconds to run; $3: exit code.
# SIGTERM goes to every process of the task, so that `date` or `sync` may die of it: the end is written with it ignored.
_SCRIPT = r"""
record="$1/$HANSE_JOB_ID.$HANSE_TASK"
say() {
    run="\"epoch\":$HANSE_EPOCH,\"attempt\":$HANSE_ATTEMPT,\"task\":$HANSE_TASK,\"pid\":$$"
    place="\"region\":\"$HANSE_REGION\",\"node\":\"$HANSE_NODE\""
    printf '{"what":"%s","job":"%s",%s,%s,"at_us":%s,"status":%s}\n' \
        "$1" "$HANSE_JOB_ID" "$run" "$place" "$2" "$3" >>"$record" && sync "$record"
}
finish() {
    trap '' TERM
    say end "$(date +%s%6N)" "$1"
    exit "$1"
}
trap 'finish 143' TERM
say begin "$(date +%s%6N)" 0 || exit 70
sleep "$2" &
wait $!
finish "$3"
"""

# As above, and while it lives a line every fifth of a second: what is killed together with its region writes no end,
# and nobody is there to see it die. Bash: its clock and its pauses need no processes.
_BEATING = r"""
record="$1/$HANSE_JOB_ID.$HANSE_TASK"
run="\"epoch\":$HANSE_EPOCH,\"attempt\":$HANSE_ATTEMPT,\"task\":$HANSE_TASK,\"pid\":$$"
place="\"region\":\"$HANSE_REGION\",\"node\":\"$HANSE_NODE\""
say() {
    printf '{"what":"%s","job":"%s",%s,%s,"at_us":%s,"status":%s}\n' \
        "$1" "$HANSE_JOB_ID" "$run" "$place" "${EPOCHREALTIME/[.,]/}" "$2" >>"$record"
}
finish() {
    trap '' TERM
    say end "$1"
    sync "$record"
    exit "$1"
}
trap 'finish 143' TERM
exec {pause}<> <(:)
say begin 0 && sync "$record" || exit 70
"""

# $2: microseconds to run.
_FOR_A_WHILE = r"""
last=$((${EPOCHREALTIME/[.,]/} + $2))
while ((${EPOCHREALTIME/[.,]/} < last)); do
    read -r -t 0.2 -u "$pause"
    say beat 0
done
finish "$3"
"""

# $2: the file that ends it once it exists.
_UNTIL_TOLD = r"""
until [[ -e "$2" ]]; do
    read -r -t 0.2 -u "$pause"
    say beat 0
done
finish 0
"""

TERMINATED_STATUS = 143


def task_command(records: Path, run_s: float, exit_code: int) -> list[str]:
    """The command of a task."""
    return ["/bin/sh", "-c", _SCRIPT, "task", str(records), f"{run_s:g}", str(exit_code)]


def beating_command(records: Path, run_s: float, exit_code: int) -> list[str]:
    """The command of a task that shows how long it lived even if it cannot say that it ends."""
    words = [str(records), str(round(run_s * 1e6)), str(exit_code)]
    return ["/bin/bash", "-c", _BEATING + _FOR_A_WHILE, "task", *words]


def command_until(records: Path, told: Path) -> list[str]:
    """The command of such a task that succeeds as soon as there is a file `told`."""
    return ["/bin/bash", "-c", _BEATING + _UNTIL_TOLD, "task", str(records), str(told)]
