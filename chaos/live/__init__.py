"""Live chaos: real daemons, real faults, and books that are kept by the tasks themselves.

python -m chaos.live [CAMPAIGN...]      (`make chaos` runs every file of chaos/campaigns)

campaign.py   a campaign as TOML: topology, workload, faults, promises; judged whole before anything is started
faults.py     what kinds of faults there are, with their parameters, and what each of them means to an operator
run.py        one campaign from the first daemon's start to its books
stage.py      the daemons: started, killed, started again, each in a network namespace of its own
network.py    namespaces, veth pairs and a bridge (root), with cuts and drops by nft inside them
proxy.py      links through a TCP proxy of our own: delay, half-open connections, cuts without root
janitor.py    a process that clears everything away if the harness dies
injectors/    what each kind of fault does, and how it is undone
workload.py   jobs, by waves, from the demo's planned jobs and callers
watch.py      probes during a campaign: P6 (every waiting job says why), P7 (who is cut off goes on)
books.py      what was promised against what the tasks' own records say
report.py     build/chaos/report.json, and the results that docs/failure-matrix.md is made of
"""
