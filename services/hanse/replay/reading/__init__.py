"""Traces from files: our own CSV, the Standard Workload Format, exports of `sacct`.

lines     a file as lines, plain or packed, within bounds
fields    numbers and words of one line, or an error that says where
native    jobs and nodes as CSV with named columns
swf       jobs of the Parallel Workloads Archive
sacct     jobs of Slurm's accounting
files     the door: which format it is, and the whole trace
"""
