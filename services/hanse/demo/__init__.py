"""A federation at work on this machine: three regions, real jobs, a crash, a freeze, and the books balanced at the end.

trace.py     the excerpt of a real trace that is replayed
plan.py      which jobs are submitted when and where, which of them fail, which are cancelled
task.py      the program that every task runs: it keeps its own record, and that is what is believed
records.py   reading those records
audit.py     what "lost" and "run twice" mean, and counting them
workload.py  submitting and cancelling, through the client library
chaos.py     kill -9 and SIGSTOP
scene.py     what is going on now, for whoever watches
stage.py     showing it
report.py    report.json
page.py      report.html, with timeline.py and page.css, page.js
run.py       one demo from beginning to end
"""
