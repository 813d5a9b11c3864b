"""All benchmarks one after another, and the table of what they found: what `make bench` does.

catalogue    the benchmarks, their figures, and the targets that the project sets itself
records      what one run of one benchmark is remembered by; docs/benchmarks.json holds the newest of each
running      one benchmark in a process of its own; how busy the machine was with other things meanwhile
comparison   whether a figure has become worse, or only the machine busier
table        the table as Markdown
__main__     `python -m hanse.bench.suite`
"""
