"""Tasks as real processes of this machine, each under a supervisor of its own that survives the daemon.

    executor.py     the engine behind the port: what the daemon talks to
    launcher.py     the daemon's end of the zygote: keeps one running, hands launches to it
    watch.py        the daemon's eye on all records at once: one inotify descriptor, whatever the number of tasks
    control.py      telling supervisors, and deleting what is left
    logs.py         reading output, also while it grows
    reports.py      between the port's words and the records'
    lost.py         what is done about tasks whose supervisor died
    zygote.py       a small process that forks supervisors; no threads, no gRPC, nothing but the standard library
    pool.py         its supervisors: who has a task, who may have the next, when they leave
    supervisor.py   a task's supervisor: starts it, stops it, holds its lease, writes its record
    task.py         fork and exec of the task itself
    pids.py         which pid it gets
    containment.py  how a supervisor keeps its task's processes together, and what escapes
    orders.py       what daemon, zygote and supervisors say to each other
    records.py      the one file per task that all of the above agree through; start reading here
    output.py       stdout and stderr, capped
    processes.py    /proc
    kernel.py       system calls that Python 3.11 lacks

zygote, pool, orders, supervisor, task, pids, containment, records, output, processes and kernel run inside every
supervisor, so they import the standard library only, and little of it. Nothing is imported here, for the same reason.
"""
